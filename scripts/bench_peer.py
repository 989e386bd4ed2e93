# The named peer of scripts/bench.sh: what DuckDB itself takes to copy the same columns and group them.
# Usage: bench_peer.py 'FILES' DATABASE MEMORY_LIMIT. Prints seconds and peak memory in MB.
import resource
import sys
import time

import duckdb

files, database, memory_limit = sys.argv[1:]
# The 35 columns of cost_line_items, each as it stands in the file, without any of the program's rules.
columns = """
    1::BIGINT AS ingestion_id, line_item_usage_start_date AS usage_start, line_item_usage_end_date AS usage_end,
    CAST(line_item_usage_start_date AS DATE) AS usage_date, CAST(bill_billing_period_start_date AS DATE) AS billing_period,
    'cur2' AS data_source, 'AWS' AS provider, bill_payer_account_id AS payer_account_id,
    line_item_usage_account_id AS usage_account_id, line_item_usage_account_name AS usage_account_name,
    line_item_product_code AS product_code, product['product_name'] AS product_name, product_region_code AS region,
    line_item_availability_zone AS availability_zone, line_item_usage_type AS usage_type, line_item_operation AS operation,
    line_item_resource_id AS resource_id, line_item_line_item_type AS line_item_type,
    line_item_line_item_type AS charge_category, bill_billing_entity AS billing_entity, pricing_term AS purchase_option,
    line_item_line_item_description AS description, bill_invoice_id AS invoice_id,
    line_item_usage_amount AS usage_amount, pricing_unit AS usage_unit, line_item_currency_code AS currency,
    line_item_unblended_cost AS unblended_cost, line_item_blended_cost AS blended_cost,
    COALESCE(reservation_effective_cost, savings_plan_savings_plan_effective_cost, line_item_unblended_cost) AS amortized_cost,
    COALESCE(line_item_net_unblended_cost, line_item_unblended_cost) AS net_unblended_cost,
    COALESCE(reservation_effective_cost, savings_plan_savings_plan_effective_cost, line_item_unblended_cost) AS net_amortized_cost,
    pricing_public_on_demand_cost AS list_cost, resource_tags AS tags, cost_category AS cost_categories,
    filename AS source_file
"""
start = time.monotonic()
connection = duckdb.connect(database, config={"memory_limit": memory_limit, "preserve_insertion_order": "false"})
connection.execute(f"CREATE TABLE cost_line_items AS SELECT {columns} FROM read_parquet('{files}', filename = true)")
connection.execute("""
    CREATE TABLE daily_cost_summary AS
    SELECT usage_date, billing_period, provider, data_source, payer_account_id, usage_account_id, product_code, region,
        charge_category, currency, sum(unblended_cost), sum(blended_cost), sum(amortized_cost), sum(net_unblended_cost),
        sum(net_amortized_cost), sum(list_cost), sum(usage_amount), count(*)
    FROM cost_line_items GROUP BY ALL
""")
connection.close()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{time.monotonic() - start:.2f} {peak:.0f} {duckdb.__version__}")
