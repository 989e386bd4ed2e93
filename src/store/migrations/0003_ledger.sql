-- The incidents that `anomalies` found, one row each, as they stand.
CREATE TABLE anomalies (
    id              VARCHAR PRIMARY KEY,
    scope           VARCHAR NOT NULL,
    group_by        VARCHAR NOT NULL,
    group_values    VARCHAR[] NOT NULL,
    method          VARCHAR NOT NULL,
    program         VARCHAR NOT NULL,
    threshold       DOUBLE NOT NULL,
    metric          VARCHAR NOT NULL,
    currency        VARCHAR NOT NULL,
    state           VARCHAR NOT NULL,
    kind            VARCHAR NOT NULL,
    direction       VARCHAR NOT NULL,
    severity        VARCHAR NOT NULL,
    start_date      DATE NOT NULL,
    peak_date       DATE NOT NULL,
    last_date       DATE NOT NULL,
    opened_on       DATE NOT NULL,
    seen_on         DATE NOT NULL,
    closed_on       DATE,
    actual          DOUBLE NOT NULL,
    expected        DOUBLE NOT NULL,
    impact          DOUBLE NOT NULL,
    impact_total    DOUBLE NOT NULL,
    at_stake        DOUBLE NOT NULL,
    score           DOUBLE NOT NULL,
    flagged_days    INTEGER NOT NULL,
    reasons         VARCHAR[] NOT NULL
);

-- What became of them.
CREATE TABLE anomaly_events (
    anomaly_id      VARCHAR NOT NULL,
    recorded_at     TIMESTAMP NOT NULL,
    seen_on         DATE NOT NULL,
    event           VARCHAR NOT NULL,
    kind            VARCHAR NOT NULL,
    severity        VARCHAR NOT NULL,
    last_date       DATE NOT NULL,
    impact          DOUBLE NOT NULL,
    impact_total    DOUBLE NOT NULL,
    score           DOUBLE NOT NULL
);
