CREATE TABLE cordons ( -- hosts that get no new release
    host TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL, -- release.Cordon as JSON
    sum  INTEGER NOT NULL
) STRICT;
