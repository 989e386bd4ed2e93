//! Names of accounts, from AWS Organizations.

use super::aws::{ApiRequest, Aws};
use crate::error::Result;

/// Ids and names of all accounts of the organization. Only its management account and delegated administrators
/// may ask; pages may be empty before the last.
/// <https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html>
///
/// # Errors
/// When AWS refuses, which is usual for member accounts.
pub(crate) fn of_organization(aws: &Aws) -> Result<Vec<(String, String)>> {
    let client = aws_sdk_organizations::Client::new(&aws.in_region(""));
    let mut pages = client.list_accounts().into_paginator().send();
    let mut accounts = Vec::new();
    while let Some(page) = aws.block_on(pages.next()) {
        let asked = ApiRequest {
            service: "Organizations",
            action: "organizations:ListAccounts",
            about: "the names of accounts",
        };
        let page = page.map_err(|e| aws.explain(&asked, &e))?;
        let named =
            page.accounts().iter().filter_map(|account| Some((account.id()?.to_owned(), account.name()?.to_owned())));
        accounts.extend(named);
    }
    Ok(accounts)
}
