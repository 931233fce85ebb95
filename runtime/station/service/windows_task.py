"""The scheduled task of a workstation on Windows: starts at logon, and again after a failure."""

from __future__ import annotations

import subprocess
from xml.sax.saxutils import escape

from .types import MARK, NAME, ServicePlan

# The folders on network drives exist for the user who is logged on, so the task runs as that user,
# without administrator rights.
TASK = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{mark}.</Description>
    <URI>\\{name}</URI>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{user}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>999</Count>
    </RestartOnFailure>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
      <WorkingDirectory>{home}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""


def windows_task(plan: ServicePlan) -> str:
    """Return the XML of a scheduled task, which ``schtasks /Create /XML`` takes as UTF-16.

    Parameters
    ----------
    plan : ServicePlan
    """
    arguments = subprocess.list2cmdline([*plan.command[1:], *plan.arguments])
    return TASK.format(
        mark=MARK, name=NAME, user=escape(plan.user), command=escape(plan.command[0]),
        arguments=escape(arguments), home=escape(str(plan.home)),
    )  # fmt: skip
