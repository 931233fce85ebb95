-- Every row of `entries` is a link of one chain. `name`, `pictures` and `body` can be removed
-- later without breaking it: the chain holds their digests.
PRAGMA application_id = 1634495589;

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE entries (
    number      INTEGER PRIMARY KEY,  -- 1, 2, 3, … without gaps
    kind        TEXT NOT NULL CHECK (kind IN ('result', 'unread', 'verdict', 'removal')),
    time        TEXT NOT NULL,        -- UTC
    content     TEXT,                 -- SHA-256 of the image file
    bundle      TEXT,                 -- digest of the bundle
    site        TEXT,                 -- digest of the site profile
    state       TEXT,                 -- of an unread file: what identifies its state
    refers_to   INTEGER REFERENCES entries (number),  -- of a verdict: the machine's result
    body        TEXT,                 -- JSON; NULL where it was removed
    body_digest TEXT NOT NULL,
    link        TEXT NOT NULL,        -- SHA-256 over the link before and this row
    -- copies out of `body`, for searching; `history verify` compares them
    status      TEXT,
    label       TEXT,
    probability REAL
);

CREATE UNIQUE INDEX result_of_content ON entries (content, bundle, coalesce(site, ''))
    WHERE kind = 'result';
CREATE UNIQUE INDEX unread_state ON entries (state) WHERE kind = 'unread';
CREATE INDEX verdicts_of_result ON entries (refers_to) WHERE kind = 'verdict';
CREATE INDEX entries_by_time ON entries (time);

-- The names as the camera gave them. A name may hold a patient's name, so it can be removed alone:
-- the body has only the digest of salt and name.
CREATE TABLE names (
    number INTEGER PRIMARY KEY REFERENCES entries (number),
    salt   TEXT NOT NULL,
    name   TEXT NOT NULL,
    folder TEXT
);

CREATE TABLE pictures (
    number INTEGER NOT NULL REFERENCES entries (number),
    kind   TEXT NOT NULL CHECK (kind IN ('thumbnail', 'preview')),
    jpeg   BLOB NOT NULL,
    PRIMARY KEY (number, kind)
);

-- Which content a file had when it was read last. It saves reading all files again after a
-- restart, and is no part of the chain. `path` is a keyed digest, not the path.
CREATE TABLE files (
    path     TEXT PRIMARY KEY,
    size     INTEGER NOT NULL,
    modified INTEGER NOT NULL,  -- nanoseconds
    content  TEXT NOT NULL
);
CREATE INDEX files_of_content ON files (content);
