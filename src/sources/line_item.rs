//! What each column of `cost_line_items` is, as SQL over one file. A mapping that forgets or misspells a column does not
//! compile.

macro_rules! line_item {
    ($($(#[$comment:meta])* $column:ident,)*) => {
        /// One expression for each column that a format fills.
        #[derive(Clone, Debug)]
        pub struct LineItem {
            $($(#[$comment])* pub $column: String,)*
        }

        impl LineItem {
            /// Nothing in any column, for formats that have few.
            pub fn null() -> Self {
                Self { $($column: "NULL".to_owned(),)* }
            }

            /// The columns by name, in the order of the table.
            pub fn columns(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($column), self.$column.clone()),)*]
            }
        }
    };
}

line_item! {
    usage_start,
    usage_end,
    usage_date,
    billing_period,
    provider,
    payer_account_id,
    usage_account_id,
    usage_account_name,
    product_code,
    product_name,
    region,
    availability_zone,
    usage_type,
    operation,
    resource_id,
    line_item_type,
    charge_category,
    billing_entity,
    purchase_option,
    /// The reservation or Savings Plan that pays for it, and when that ends.
    commitment_id,
    commitment_end,
    description,
    invoice_id,
    usage_amount,
    usage_unit,
    currency,
    /// US dollars that one unit of the currency is.
    usd_rate,
    unblended_cost,
    blended_cost,
    amortized_cost,
    net_unblended_cost,
    net_amortized_cost,
    list_cost,
    tags,
    cost_categories,
    /// Whether the charge may still change, where the source says so.
    estimated,
}
