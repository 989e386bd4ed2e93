//! Which days can be judged.

use chrono::{Days, NaiveDate};

/// The last settled day: `settle_days` before the day that is `today`, and never the newest day that there is data of,
/// since the file that ends with it may have been written before the day was over.
pub(crate) fn settled_through(today: NaiveDate, settle_days: u32, newest_data: NaiveDate) -> NaiveDate {
    (today - Days::new(u64::from(settle_days))).min(newest_data - Days::new(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_day_is_never_settled() {
        let day = |d| NaiveDate::from_ymd_opt(2026, 11, d).expect("valid");
        assert_eq!(settled_through(day(20), 2, day(20)), day(18));
        assert_eq!(settled_through(day(20), 0, day(20)), day(19));
        assert_eq!(settled_through(day(20), 2, day(15)), day(14));
    }
}
