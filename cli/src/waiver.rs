//! Waivers: findings that were accepted until a given day.
// Days of the calendar.
#![allow(clippy::arithmetic_side_effects)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use toml::value::{Date, Datetime};

use fwspec::answer::Linted;
use fwspec::lint::Finding;

/// The waivers of a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waivers {
    #[serde(default)]
    waiver: Vec<Waiver>,
}

/// A `[[waiver]]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiver {
    /// Code or name.
    code: String,
    /// The place or node as the report calls it, `IORT+0x8c` or `/pcie@10000000`; everywhere where it is left out.
    #[serde(rename = "where")]
    place: Option<String>,
    /// Why it is accepted.
    reason: String,
    /// The last day on which it is.
    #[serde(default, alias = "expiry", deserialize_with = "day")]
    expires: Option<Datetime>,
    #[serde(skip)]
    used: AtomicBool,
}

/// A day, as TOML writes one or in quotes.
fn day<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Datetime>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Day {
        Bare(Datetime),
        Quoted(String),
    }
    match Day::deserialize(from)? {
        Day::Bare(day) => Ok(Some(day)),
        Day::Quoted(text) => text
            .parse()
            .map(Some)
            .map_err(|_| serde::de::Error::custom(format!("{text:?} is not a date: write it as 2030-12-31"))),
    }
}

impl Waivers {
    /// Reads a waiver file.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let name = super::name(path);
        let bytes = super::read(path).map_err(|failure| failure.to_string())?;
        let text = String::from_utf8(bytes).map_err(|_| format!("{name}: a waiver file is UTF-8 text"))?;
        let mut waivers = Waivers::parse(&text).map_err(|error| {
            format!("{name} is not a waiver file (`fwspec lint --help` shows one): {}", error.trim_end())
        })?;
        let today = today();
        let expired = |waiver: &Waiver| waiver.expires.and_then(|e| e.date).is_some_and(|date| date < today);
        for waiver in waivers.waiver.iter().filter(|waiver| expired(waiver)) {
            super::complain(&format_args!("the waiver of {} has expired: {}", waiver.code, waiver.reason));
        }
        waivers.waiver.retain(|waiver| !expired(waiver));
        Ok(waivers)
    }

    /// Reads the text of a waiver file.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let waivers: Waivers = toml::from_str(text).map_err(|error| error.to_string())?;
        for waiver in &waivers.waiver {
            if fwspec::lint::Code::named(&waiver.code).is_none() {
                return Err(format!(
                    "there is no finding with the code {:?}; `fwspec explain --list` lists all codes",
                    waiver.code
                ));
            }
            if waiver.reason.trim().is_empty() {
                return Err(format!("the waiver of {} gives no reason", waiver.code));
            }
            if waiver.expires.is_some_and(|expires| expires.date.is_none()) {
                return Err(format!(
                    "the waiver of {}: `expires` has to be a date, such as 2030-12-31",
                    waiver.code
                ));
            }
        }
        Ok(waivers)
    }

    /// Moves what is waived aside.
    pub(super) fn apply(&self, linted: &mut Linted) {
        for finding in core::mem::take(&mut linted.findings) {
            match self.waiver.iter().find(|waiver| waiver.covers(linted, &finding)) {
                Some(waiver) => {
                    waiver.used.store(true, Ordering::Relaxed);
                    linted.waived.push((finding, waiver.reason.clone()));
                }
                None => linted.findings.push(finding),
            }
        }
    }

    /// Tells of waivers that nothing needs any more.
    pub(super) fn finish(&self) {
        for waiver in self.waiver.iter().filter(|waiver| !waiver.used.load(Ordering::Relaxed)) {
            let place = waiver.place.as_deref().unwrap_or("anywhere");
            super::complain(&format_args!(
                "no finding {} at {place}: this waiver can be removed",
                waiver.code
            ));
        }
    }
}

impl Waiver {
    fn covers(&self, linted: &Linted, finding: &Finding) -> bool {
        fwspec::lint::Code::named(&self.code) == Some(finding.code)
            && self.place.as_ref().is_none_or(|place| {
                *place == linted.place(finding.at)
                    || *place == linted.place(finding.subject)
                    || finding.device.is_some_and(|device| *place == device.to_string())
                    || *place == linted.file
                    || *place == linted.file_of(finding.at.source)
            })
    }
}

/// The current day, by UTC.
fn today() -> Date {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    civil(seconds / 86_400)
}

/// The date that is so many days after 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: u64) -> Date {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let narrow = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
    Date { year: u16::try_from(year).unwrap_or(u16::MAX), month: narrow(month), day: narrow(day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (days, date) in
            [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_819, "2027-01-01")]
        {
            assert_eq!(civil(days).to_string(), date);
        }
    }
}
