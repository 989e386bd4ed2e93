"""The peer of bench_serve.py: the page of costs by service and day, as one writes it with Streamlit on the same database."""

import os

import duckdb
import streamlit as st

connection = duckdb.connect(os.environ["BENCH_DATABASE"], read_only=True)
costs = connection.execute(
    "SELECT usage_date, product_code, sum(net_amortized_cost) AS cost FROM daily_cost_summary "
    "WHERE usage_date > (SELECT max(usage_date) FROM daily_cost_summary) - 60 AND charge_category IN ('Usage', 'Purchase', 'Adjustment') "
    "GROUP BY ALL ORDER BY 1, 2"
).df()
st.title("Costs")
st.metric("total", f"${costs.cost.sum():,.2f}")
st.bar_chart(costs, x="usage_date", y="cost", color="product_code")
st.dataframe(costs.groupby("product_code").cost.sum().sort_values(ascending=False))
st.write("done")
