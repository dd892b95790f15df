-- Each table of facts carries a sum (CRC-32C of its other columns), so that a
-- flipped bit that leaves the B-tree whole is found when the store is opened.

CREATE TABLE releases (
    n           INTEGER PRIMARY KEY AUTOINCREMENT, -- order of queueing
    id          TEXT NOT NULL UNIQUE,
    service     TEXT NOT NULL,
    destination TEXT NOT NULL,
    repo        TEXT NOT NULL,
    status      TEXT NOT NULL,
    body        TEXT NOT NULL, -- release.Release as JSON
    sum         INTEGER NOT NULL
) STRICT;
CREATE INDEX releases_by_lane ON releases (service, destination, n);
CREATE INDEX releases_by_status ON releases (status, n);

CREATE TABLE events (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL, -- unix nanoseconds, like every time here
    release TEXT NOT NULL,    -- empty: an alert or a recovery
    body    TEXT NOT NULL,    -- release.Event as JSON, without its seq
    sum     INTEGER NOT NULL
) STRICT;
CREATE INDEX events_by_release ON events (release, seq);

CREATE TABLE alerts ( -- open troubles
    key  TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL, -- the release.Event that raised it
    sum  INTEGER NOT NULL
) STRICT;

CREATE TABLE effects (
    release  TEXT NOT NULL,
    step     TEXT NOT NULL,
    payload  BLOB NOT NULL,
    intended INTEGER NOT NULL,
    result   TEXT NOT NULL,
    done     INTEGER NOT NULL, -- 0: intended only
    sum      INTEGER NOT NULL,
    PRIMARY KEY (release, step)
) STRICT;

CREATE TABLE configs (
    release TEXT NOT NULL PRIMARY KEY,
    body    BLOB NOT NULL,
    sum     INTEGER NOT NULL
) STRICT;

CREATE TABLE pins (
    service     TEXT NOT NULL,
    destination TEXT NOT NULL,
    sha         TEXT NOT NULL,
    ref         TEXT NOT NULL,
    digest      TEXT NOT NULL,
    at          INTEGER NOT NULL,
    sum         INTEGER NOT NULL,
    PRIMARY KEY (service, destination, sha, ref)
) STRICT;

CREATE TABLE holds (
    service     TEXT NOT NULL,
    destination TEXT NOT NULL,
    body        TEXT NOT NULL, -- release.Hold as JSON
    sum         INTEGER NOT NULL,
    PRIMARY KEY (service, destination)
) STRICT;

CREATE TABLE quarantines (
    service     TEXT NOT NULL,
    destination TEXT NOT NULL,
    identity    TEXT NOT NULL,
    release     TEXT NOT NULL,
    at          INTEGER NOT NULL,
    sum         INTEGER NOT NULL,
    PRIMARY KEY (service, destination, identity)
) STRICT;

CREATE TABLE adoptions (
    service     TEXT NOT NULL,
    destination TEXT NOT NULL,
    by          TEXT NOT NULL,
    at          INTEGER NOT NULL,
    sum         INTEGER NOT NULL,
    PRIMARY KEY (service, destination)
) STRICT;

CREATE TABLE looks (
    repo TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL, -- release.Look as JSON
    sum  INTEGER NOT NULL
) STRICT;

CREATE TABLE channels ( -- how far each notification channel has read the events
    channel TEXT NOT NULL PRIMARY KEY,
    read    INTEGER NOT NULL,
    sum     INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox ( -- what each channel still has to send
    channel     TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    service     TEXT NOT NULL,
    destination TEXT NOT NULL,
    release     TEXT NOT NULL,
    sum         INTEGER NOT NULL,
    PRIMARY KEY (channel, seq)
) STRICT;
CREATE INDEX outbox_by_lane ON outbox (channel, service, destination, seq);

CREATE TABLE message_refs ( -- where an edited message lives at its receiver
    channel TEXT NOT NULL,
    key     TEXT NOT NULL,
    ref     TEXT NOT NULL,
    at      INTEGER NOT NULL,
    sum     INTEGER NOT NULL,
    PRIMARY KEY (channel, key)
) STRICT;
