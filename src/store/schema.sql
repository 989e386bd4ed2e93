-- The tables are a promise to users who open the file with other DuckDB clients: docs/DATA.md.
CREATE TABLE cost_line_items (
    ingestion_id       BIGINT NOT NULL,
    usage_start        TIMESTAMP NOT NULL,
    usage_end          TIMESTAMP,
    usage_date         DATE NOT NULL,
    billing_period     DATE NOT NULL,
    data_source        VARCHAR NOT NULL,
    provider           VARCHAR NOT NULL,
    payer_account_id   VARCHAR NOT NULL,
    usage_account_id   VARCHAR NOT NULL,
    usage_account_name VARCHAR,
    product_code       VARCHAR NOT NULL,
    product_name       VARCHAR,
    region             VARCHAR NOT NULL,
    availability_zone  VARCHAR,
    usage_type         VARCHAR,
    operation          VARCHAR,
    resource_id        VARCHAR,
    line_item_type     VARCHAR NOT NULL,
    charge_category    VARCHAR NOT NULL,
    billing_entity     VARCHAR,
    purchase_option    VARCHAR,
    commitment_id      VARCHAR,
    commitment_end     TIMESTAMP,
    description        VARCHAR,
    invoice_id         VARCHAR,
    usage_amount       DOUBLE,
    usage_unit         VARCHAR,
    currency           VARCHAR NOT NULL,
    -- US dollars that one unit of the currency is, where the bill says so.
    usd_rate           DOUBLE,
    unblended_cost     DOUBLE NOT NULL,
    blended_cost       DOUBLE,
    amortized_cost     DOUBLE NOT NULL,
    net_unblended_cost DOUBLE NOT NULL,
    net_amortized_cost DOUBLE NOT NULL,
    list_cost          DOUBLE,
    tags               MAP(VARCHAR, VARCHAR),
    cost_categories    MAP(VARCHAR, VARCHAR),
    source_file        VARCHAR NOT NULL,
    -- What an API says of a line itself; of files an invoice id says it.
    estimated            BOOLEAN
);

CREATE TABLE daily_cost_summary (
    usage_date         DATE NOT NULL,
    billing_period     DATE NOT NULL,
    provider           VARCHAR NOT NULL,
    data_source        VARCHAR NOT NULL,
    payer_account_id   VARCHAR NOT NULL,
    usage_account_id   VARCHAR NOT NULL,
    product_code       VARCHAR NOT NULL,
    region             VARCHAR NOT NULL,
    charge_category    VARCHAR NOT NULL,
    currency           VARCHAR NOT NULL,
    usd_rate           DOUBLE,
    unblended_cost     DOUBLE NOT NULL,
    blended_cost       DOUBLE,
    amortized_cost     DOUBLE NOT NULL,
    net_unblended_cost DOUBLE NOT NULL,
    net_amortized_cost DOUBLE NOT NULL,
    list_cost          DOUBLE,
    usage_amount       DOUBLE,
    line_item_count    BIGINT NOT NULL
);

-- A row for each file and what of it went where; a file is current while its rows add up to file_rows.
CREATE TABLE ingestion_log (
    ingestion_id       BIGINT NOT NULL,
    data_source        VARCHAR NOT NULL,
    export             VARCHAR NOT NULL,
    provider           VARCHAR NOT NULL,
    payer_account_id   VARCHAR NOT NULL,
    billing_period     DATE NOT NULL,
    currency           VARCHAR NOT NULL,
    assembly_id        VARCHAR NOT NULL,
    mapping_version    INTEGER NOT NULL,
    key                VARCHAR NOT NULL,
    size               BIGINT NOT NULL,
    etag               VARCHAR NOT NULL,
    file_rows          BIGINT NOT NULL,
    rows               BIGINT NOT NULL,
    first_day          DATE NOT NULL,
    last_day           DATE NOT NULL,
    unblended_cost     DOUBLE NOT NULL,
    blended_cost       DOUBLE,
    amortized_cost     DOUBLE NOT NULL,
    net_unblended_cost DOUBLE NOT NULL,
    net_amortized_cost DOUBLE NOT NULL,
    list_cost          DOUBLE,
    credits            DOUBLE NOT NULL,
    estimated          BOOLEAN NOT NULL,
    ingested_at        TIMESTAMP NOT NULL
);

CREATE TABLE accounts (
    id     VARCHAR PRIMARY KEY,
    name   VARCHAR NOT NULL,
    source VARCHAR NOT NULL
);

-- What this program itself asked of priced APIs.
CREATE TABLE api_calls (
    called_at  TIMESTAMP NOT NULL,
    service    VARCHAR NOT NULL,
    operation  VARCHAR NOT NULL,
    account_id VARCHAR NOT NULL,
    about      VARCHAR NOT NULL,
    requests   INTEGER NOT NULL,
    cost_usd   DOUBLE NOT NULL,
    outcome    VARCHAR NOT NULL
);

-- Which days were asked of an API, charges or not, and how finely.
CREATE TABLE api_days (
    data_source      VARCHAR NOT NULL,
    payer_account_id VARCHAR NOT NULL,
    usage_date       DATE NOT NULL,
    detail           VARCHAR NOT NULL
);

-- The incidents that `anomalies` found, one row each, as they stand.
CREATE TABLE incidents (
    id              VARCHAR PRIMARY KEY,
    -- The question that it was found with: metric, grouping, charge categories, filters, data source and method, as JSON.
    scope           VARCHAR NOT NULL,
    group_by        VARCHAR NOT NULL,
    group_values    VARCHAR[] NOT NULL,
    program         VARCHAR NOT NULL,
    threshold       DOUBLE NOT NULL,
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
    -- What its last flagged day cost beyond what was expected.
    last_impact     DOUBLE NOT NULL,
    impact_total    DOUBLE NOT NULL,
    at_stake        DOUBLE NOT NULL,
    score           DOUBLE NOT NULL,
    flagged_days    INTEGER NOT NULL,
    -- A JSON list of facts, each with a code and its figures.
    reasons         VARCHAR NOT NULL,
    -- The incident that covers a withdrawn one now.
    merged_into     VARCHAR
);

-- What became of them.
CREATE TABLE incident_events (
    incident_id     VARCHAR NOT NULL,
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

-- What people said of incidents; the newest row of each counts.
CREATE TABLE triage (
    incident_id  VARCHAR NOT NULL,
    triaged_at   TIMESTAMP NOT NULL,
    state        VARCHAR NOT NULL,
    until        DATE,
    reason       VARCHAR NOT NULL,
    triaged_by   VARCHAR NOT NULL,
    impact       DOUBLE NOT NULL,
    last_date    DATE NOT NULL
);

-- What was sent of incidents, to which channel.
CREATE TABLE notifications (
    incident_id  VARCHAR NOT NULL,
    channel      VARCHAR NOT NULL,
    notified_at  TIMESTAMP NOT NULL,
    event        VARCHAR NOT NULL,
    subject      VARCHAR NOT NULL,
    notified_on  DATE NOT NULL,
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
    -- A bill that ended before the others, and what of it was judged.
    bill         VARCHAR,
    judged_start DATE,
    judged_end   DATE,
    error        VARCHAR
);

-- What was forecast of whole months: the newest of each day it was made on.
CREATE TABLE forecasts (
    made_on       DATE NOT NULL,
    -- The question: metric, charge categories, filters and data source, as JSON.
    scope         VARCHAR NOT NULL,
    period_start  DATE NOT NULL,
    period_end    DATE NOT NULL,
    known_through DATE NOT NULL,
    currency      VARCHAR NOT NULL,
    to_date       DOUBLE NOT NULL,
    expected      DOUBLE NOT NULL,
    low_50        DOUBLE,
    high_50       DOUBLE,
    low_80        DOUBLE,
    high_80       DOUBLE,
    program       VARCHAR NOT NULL
);

-- Costs that other programs handed in one by one; cost_line_items has them as the source `records`.
CREATE TABLE records (
    id           BIGINT PRIMARY KEY,
    service      VARCHAR NOT NULL,
    cost         DOUBLE NOT NULL,
    timestamp    TIMESTAMP NOT NULL,
    region       VARCHAR NOT NULL,
    account_id   VARCHAR NOT NULL,
    is_anomaly   BOOLEAN NOT NULL,
    created_at   TIMESTAMP NOT NULL
);
