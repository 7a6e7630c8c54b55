//! Many inputs at once: worked on by all cores, told in their order, counted on a terminal.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::prelude::*;

use super::folder::{Closed, Input, Inputs, Notes};
use super::{Failure, Outcome, complain};

/// How many inputs each core works on ahead of the output: enough that no core waits, few enough for memory.
const AHEAD: usize = 32;
/// Work that takes less is not worth a bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// Works on every input and hands the answers to `tell`, in the order of the inputs. What cannot be read is reported to the user
/// and costs one input.
///
/// `work` may note lines for the user, who sees them before the answer.
///
/// # Errors
/// [`Failure::Output`] with those of `tell`.
pub(super) fn each<T: Send>(
    mut inputs: Inputs,
    work: impl Fn(&Input, &mut Notes) -> Result<T, Closed> + Sync,
    mut tell: impl FnMut(T) -> io::Result<()>,
) -> Result<Outcome, Failure> {
    let progress = Progress::new(inputs.all.len());
    let mut outcome = Outcome::Fine;
    let mut hear = |notes: &Notes| {
        notes.lines.iter().for_each(|line| progress.aside(|| complain(line)));
        if notes.unreadable {
            outcome = Outcome::Unreadable;
        }
    };
    hear(&inputs.notes);
    let one = |input: &Input| {
        let mut notes = Notes::default();
        let answer = work(input, &mut notes);
        progress.step();
        (answer, notes)
    };
    let mut barren = vec![true; inputs.folders.len()];
    let passed_over = &mut inputs.passed_over;
    in_order(&inputs.all, one, |input, (answer, mut notes)| {
        let reason = match &answer {
            Err(Closed::PassedOver(reason)) => Some(*reason),
            Err(closed) => {
                notes.unreadable(closed.message(&input.name()));
                None
            }
            Ok(_) => None,
        };
        match (reason, input.below().and_then(|folder| barren.get_mut(folder))) {
            (Some(reason), _) => passed_over.add(reason, input.path()),
            (None, Some(barren)) => *barren = false,
            (None, None) => {}
        }
        hear(&notes);
        answer.map_or(Ok(()), &mut tell)
    })?;
    progress.end();
    let mut notes = Notes::default();
    inputs.passed_over.lines().for_each(|line| notes.say(line));
    for (folder, _) in inputs.folders.iter().zip(barren).filter(|(_, barren)| *barren) {
        notes.unreadable(format!("{}: no firmware in this folder: no device tree (DTB), no ACPI table about IOMMUs, and no file that holds one", folder.display()));
    }
    hear(&notes);
    Ok(outcome)
}

/// Works on all items with all cores and tells the results in the order of the items. Only so many are held as are worked on
/// ahead. A single item is worked on here, without starting threads.
fn in_order<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut tell: impl FnMut(&T, R) -> io::Result<()>,
) -> io::Result<()> {
    if let [only] = items {
        return tell(only, work(only));
    }
    let mut before: (&[T], Vec<R>) = (&[], Vec::new());
    let window = AHEAD.saturating_mul(rayon::current_num_threads());
    for items in items.chunks(window) {
        let mut results = Vec::new();
        rayon::in_place_scope(|threads| {
            threads.spawn(|_| items.par_iter().map(&work).collect_into_vec(&mut results));
            before.0.iter().zip(before.1.drain(..)).try_for_each(|(item, result)| tell(item, result))
        })?;
        before = (items, results);
    }
    before.0.iter().zip(before.1).try_for_each(|(item, result)| tell(item, result))
}

/// A bar on standard error, where that is a terminal and the output goes elsewhere, once the work has taken a while.
struct Progress {
    bar: ProgressBar,
    start: Instant,
}

impl Progress {
    fn new(count: usize) -> Self {
        let wanted = count > 1 && io::stderr().is_terminal() && !io::stdout().is_terminal();
        let count = wanted.then(|| u64::try_from(count).unwrap_or(u64::MAX));
        let bar = ProgressBar::with_draw_target(count, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} files, {eta} left") {
            bar.set_style(style);
        }
        Progress { bar, start: Instant::now() }
    }

    fn step(&self) {
        self.bar.inc(1);
        if self.bar.length().is_some() && self.bar.is_hidden() && self.start.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Says something without the bar in the way.
    fn aside(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..1_000).collect();
        let mut told = Vec::new();
        let slow_for_some = |item: &u64| {
            if item.is_multiple_of(100) {
                std::thread::sleep(Duration::from_millis(3));
            }
            item * 2
        };
        in_order(&items, slow_for_some, |item, result| {
            told.push((*item, result));
            Ok(())
        })
        .unwrap();
        assert_eq!(told, items.iter().map(|item| (*item, item * 2)).collect::<Vec<_>>());
    }

    #[test]
    fn a_reader_that_is_gone_ends_the_work() {
        let items: Vec<usize> = (0..100_000).collect();
        let worked = std::sync::atomic::AtomicUsize::new(0);
        let work = |_: &usize| worked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let told = in_order(&items, work, |_, _| Err(io::ErrorKind::BrokenPipe.into()));
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(worked.into_inner() <= 2 * AHEAD * rayon::current_num_threads());
    }
}
