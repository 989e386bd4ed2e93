-- What an incident was asked with, so that it can be explained.
ALTER TABLE anomalies ADD COLUMN filters VARCHAR[];
ALTER TABLE anomalies ADD COLUMN charge_categories VARCHAR[];
ALTER TABLE anomalies ADD COLUMN data_source VARCHAR;
