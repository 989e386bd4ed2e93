-- The incident that tells a withdrawn one now.
ALTER TABLE anomalies ADD COLUMN merged_into VARCHAR;
-- What its last flagged day cost beyond what was expected.
ALTER TABLE anomalies ADD COLUMN last_impact DOUBLE;

-- What people said of incidents; the newest mark of each counts.
CREATE TABLE incident_marks (
    anomaly_id   VARCHAR NOT NULL,
    marked_at    TIMESTAMP NOT NULL,
    mark         VARCHAR NOT NULL,
    until        DATE,
    reason       VARCHAR NOT NULL,
    marked_by    VARCHAR NOT NULL,
    impact       DOUBLE NOT NULL,
    last_date    DATE NOT NULL
);

-- What was told of incidents, to which channel.
CREATE TABLE notices (
    anomaly_id   VARCHAR NOT NULL,
    channel      VARCHAR NOT NULL,
    told_at      TIMESTAMP NOT NULL,
    notice       VARCHAR NOT NULL,
    subject      VARCHAR NOT NULL,
    told_on      DATE NOT NULL,
    seen_on      DATE NOT NULL,
    last_date    DATE NOT NULL,
    impact       DOUBLE NOT NULL,
    impact_total DOUBLE NOT NULL,
    message_id   VARCHAR NOT NULL
);

-- Messages to channels: those that wait, and those that were sent.
CREATE TABLE outbox (
    message_id   VARCHAR PRIMARY KEY,
    channel      VARCHAR NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    message      VARCHAR NOT NULL,
    state        VARCHAR NOT NULL,
    attempts     INTEGER NOT NULL,
    refusals     INTEGER NOT NULL,
    not_before   TIMESTAMP,
    parts_done   VARCHAR[] NOT NULL,
    reference    VARCHAR,
    error        VARCHAR,
    sent_at      TIMESTAMP
);

-- The runs of `run` and `watch`.
CREATE TABLE runs (
    started_at   TIMESTAMP NOT NULL,
    finished_at  TIMESTAMP NOT NULL,
    as_of        DATE NOT NULL,
    scope        VARCHAR NOT NULL,
    judged_start DATE,
    judged_end   DATE,
    error        VARCHAR
);
