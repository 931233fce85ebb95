// The live picture of the camera, its focus and its exposure.

import { byId } from "./elements.js";
import { share, text } from "./messages.js";
import { camera, grab } from "./requests.js";

const LOOK_MS = 400;
let isRunning = false;

export function showCamera(exists) {
  byId("camera").hidden = !exists;
  byId("camera-frame").alt = text("camera_alt");
  if (exists && !isRunning) {
    isRunning = true;
    look();
  }
}

export function takePicture(onError) {
  if (!byId("camera").hidden) grab().catch(onError);
}

async function look() {
  if (!document.hidden) {
    await camera().then(show, () => show(null));
  }
  setTimeout(look, LOOK_MS);
}

async function show(status) {
  const isLive = Boolean(status?.live);
  const frame = byId("camera-frame");
  frame.hidden = !isLive;
  byId("focus").value = isLive ? status.sharpness / status.best : 0;
  byId("focus-text").textContent = isLive ? share(status.sharpness / status.best, 0) : "";
  const words = { good: "exposure_good", dark: "exposure_dark", bright: "exposure_bright" };
  const exposure = byId("exposure-text");
  const clipped = isLive ? share(status.clipped, 0) : "";
  exposure.textContent = isLive ? text(words[status.exposure], { clipped }) : text("camera_none");
  exposure.classList.toggle("wrong", !isLive || status.exposure !== "good");
  const hints = { focus: "camera_focus", key: "camera_key", every: "camera_every" };
  byId("camera-hint").textContent = isLive ? text(hints[status.mode], { seconds: status.every_s }) : status?.problem ?? "";
  byId("grab").disabled = !isLive;
  if (isLive) {
    frame.src = `/v1/camera/frame?${status.frames}`;
    await frame.decode().catch(() => {});
  }
}
