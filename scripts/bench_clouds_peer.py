# The named peer of scripts/bench_clouds.sh: what DuckDB itself takes to copy the same columns and group them; of Google Cloud with each
# credit as a row of its own. Usage: bench_clouds_peer.py azure|gcp FOLDER DATABASE MEMORY_LIMIT. Prints seconds, peak MB and rows.
import resource
import sys
import time

import duckdb

cloud, folder, database, memory_limit = sys.argv[1:]
azure = f"""
    SELECT 1::BIGINT AS ingestion_id, strptime("Date", '%m/%d/%Y') AS usage_start, CAST(usage_start AS DATE) AS usage_date,
        date_trunc('month', usage_date) AS billing_period, 'azure-amortized' AS data_source, 'Microsoft' AS provider,
        BillingAccountId AS payer_account_id, SubscriptionId AS usage_account_id, SubscriptionName AS usage_account_name,
        MeterCategory AS product_code, MeterCategory AS product_name, ResourceLocation AS region,
        MeterSubCategory || '/' || MeterName AS usage_type, ResourceId AS resource_id, ChargeType AS line_item_type,
        ChargeType AS charge_category, PricingModel AS purchase_option, ReservationId AS commitment_id,
        CAST(Quantity AS DOUBLE) AS usage_amount, UnitOfMeasure AS usage_unit, BillingCurrency AS currency, CAST(Cost AS DOUBLE) AS unblended_cost,
        unblended_cost AS amortized_cost, unblended_cost AS net_unblended_cost, unblended_cost AS net_amortized_cost,
        CAST(PayGPrice AS DOUBLE) * usage_amount AS list_cost, CAST(CAST('{{' || Tags || '}}' AS JSON) AS MAP(VARCHAR, VARCHAR)) AS tags, filename AS source_file
    FROM read_csv('{folder}/costs-amortized/**/*.csv', filename = true, all_varchar = true, header = true, delim = ',', quote = '"')
"""
gcp = f"""
    SELECT 1::BIGINT AS ingestion_id, usage_start_time AS usage_start, usage_end_time AS usage_end, CAST(usage_start_time AS DATE) AS usage_date,
        strptime(invoice.month, '%Y%m') AS billing_period, 'gcp-detailed' AS data_source, 'Google Cloud' AS provider,
        billing_account_id AS payer_account_id, project.id AS usage_account_id, project.name AS usage_account_name,
        service.description AS product_code, service.description AS product_name, location.region AS region,
        sku.description AS usage_type, sku.id AS operation, resource.global_name AS resource_id,
        COALESCE(charge.type, cost_type) AS line_item_type, line_item_type AS charge_category, COALESCE(charge.name, sku.description) AS description,
        usage.amount_in_pricing_units AS usage_amount, usage.pricing_unit AS usage_unit, currency,
        CASE WHEN charge IS NULL THEN cost ELSE charge.amount END AS unblended_cost, unblended_cost AS amortized_cost,
        unblended_cost AS net_unblended_cost, unblended_cost AS net_amortized_cost, NULL::DOUBLE AS list_cost,
        map_from_entries(labels) AS tags, filename AS source_file
    FROM (SELECT *, unnest(list_concat([NULL], credits)) AS charge FROM read_parquet('{folder}/*.parquet', filename = true))
"""
start = time.monotonic()
connection = duckdb.connect(database, config={"memory_limit": memory_limit, "preserve_insertion_order": "false"})
connection.execute("SET TimeZone = 'UTC'")
connection.execute(f"CREATE TABLE cost_line_items AS {azure if cloud == 'azure' else gcp}")
connection.execute("""
    CREATE TABLE daily_cost_summary AS
    SELECT usage_date, billing_period, provider, data_source, payer_account_id, usage_account_id, product_code, region,
        charge_category, currency, sum(unblended_cost), sum(amortized_cost), sum(net_unblended_cost),
        sum(net_amortized_cost), sum(list_cost), sum(usage_amount), count(*)
    FROM cost_line_items GROUP BY ALL
""")
rows = connection.execute("SELECT count(*) FROM cost_line_items").fetchone()[0]
connection.close()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{time.monotonic() - start:.2f} {peak:.0f} {rows}")
