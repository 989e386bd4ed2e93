//! The words of findings and incidents, the same in the detector, in the database and in every answer.

use clap::ValueEnum;

use super::text::words;

words! {
    /// How readily a day is flagged.
    #[derive(ValueEnum)]
    pub enum Sensitivity in "lowercase" {
        /// Score of 3.0
        Low,
        /// Score of 2.5
        Medium,
        /// Score of 2.0
        High,
    }
}

impl Sensitivity {
    /// The threshold in units of the modified z-score (Leys et al. 2013: 3 conservative, 2.5 moderate, 2 liberal).
    pub fn threshold(self) -> f64 {
        match self {
            Sensitivity::Low => 3.0,
            Sensitivity::Medium => 2.5,
            Sensitivity::High => 2.0,
        }
    }
}

words! {
    /// How a day is judged.
    #[derive(Default, ValueEnum)]
    pub enum Method in "kebab-case" {
        /// Against its level, weekday and trend, by the series' own errors
        #[default]
        Robust,
        /// Median/MAD and Theil-Sen slope of the last 14 days
        Classic,
        /// Mean and standard deviation of all history
        Zscore,
        /// Over 50 % more than the day before
        PctChange,
        /// Mean and standard deviation of 7 days, and over 50 % more
        RollingZscore,
    }
}

words! {
    /// What kind of change a finding is.
    pub enum Kind in "snake_case" {
        /// A day, or a few, far from what was expected.
        Point,
        /// A change that came at once and stayed.
        LevelShift,
        /// A change that came slowly.
        Drift,
        /// First charges.
        New,
        /// No charges any more.
        Stopped,
        /// As much less in one place as more in another.
        Moved,
    }
}

words! {
    /// Whether costs are above or below what was expected.
    pub enum Direction in "lowercase" {
        /// Costs more
        Up,
        /// Costs less
        Down,
    }
}

impl Direction {
    /// The direction of a change; what is none goes up.
    pub fn of(change: f64) -> Self {
        if change < 0.0 { Direction::Down } else { Direction::Up }
    }

    /// 1 or -1.
    pub fn sign(self) -> f64 {
        match self {
            Direction::Up => 1.0,
            Direction::Down => -1.0,
        }
    }
}

words! {
    /// Ordered from least to most severe.
    #[derive(ValueEnum)]
    pub enum Severity in "lowercase" {
        /// Worth knowing
        Info,
        /// Worth a look
        Warning,
        /// Worth an alert at once
        Critical,
    }
}

words! {
    /// How an incident stands.
    #[derive(ValueEnum)]
    pub enum State in "lowercase" {
        /// Going on, or seen within three days
        Open,
        /// Over
        Closed,
        /// Lasted, and is what is normal now
        Absorbed,
        /// Not found any more: the bill was restated, or the settings changed
        Withdrawn,
    }
}

words! {
    /// What became of an incident on a day.
    pub enum Event in "lowercase" {
        /// It is new.
        Opened,
        /// Its dollars, kind, severity or days changed.
        Changed,
        /// It is over.
        Closed,
        /// It has lasted and is what is normal now.
        Absorbed,
        /// It is not found any more.
        Withdrawn,
        /// It was over and goes on.
        Reopened,
        /// Another incident covers it now.
        Merged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_same_in_the_database_and_in_json() {
        macro_rules! same {
            ($($word:ident),*) => {$(
                for one in $word::ALL {
                    assert_eq!(serde_json::to_value(one).expect("JSON"), one.name());
                    assert_eq!(one.name().parse::<$word>().expect("a name"), *one);
                    assert_eq!(serde_json::from_value::<$word>(one.name().into()).expect("a word"), *one);
                }
            )*};
        }
        same!(Sensitivity, Method, Kind, Direction, Severity, State, Event);
    }
}
