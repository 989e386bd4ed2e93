-- What an API says of a line itself; of files an invoice id says it.
ALTER TABLE cost_line_items ADD COLUMN estimated BOOLEAN;

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
