//! Devices that are all alike, drawn as one box, so that what is shared can still be seen among hundreds.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Link, Picture, Row, RowKind};
use crate::count::counted;

/// A picture of no more rows is drawn whole.
pub(super) const FOLDED_ABOVE: usize = 80;
/// So many devices that are alone make one box, in a row.
const MIN_ALONE: usize = 3;
/// So many devices of one group make one box, in a row: the box has the group's colour.
const MIN_SHARED: usize = 9;
/// How many devices a folded box names under the pointer.
const MAX_NAMED: usize = 40;

/// What folded devices have in common.
#[derive(Clone, PartialEq, Eq)]
struct Alike {
    /// The shared group; `None` for devices that are alone or in no group.
    group: Option<u64>,
    is_grouped: bool,
    note: String,
    lines: BTreeSet<(usize, bool)>,
}

impl Picture {
    /// Folds runs of neighbours that are alike, each with what is below it, where there are more than [`FOLDED_ABOVE`] rows.
    pub(super) fn fold(&mut self) {
        if self.rows.len() <= FOLDED_ABOVE {
            return;
        }
        let rows = self.rows.len();
        let mut children: Vec<Vec<usize>> = alloc::vec![Vec::new(); rows];
        let mut top = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            match row.parent.and_then(|parent| children.get_mut(parent)) {
                Some(siblings) => siblings.push(at),
                None => top.push(at),
            }
        }
        let mut of: Vec<Vec<&Link>> = alloc::vec![Vec::new(); rows];
        for link in &self.links {
            if let Some(links) = of.get_mut(link.from) {
                links.push(link);
            }
        }
        // A row is above what is below it, so those below are known first.
        let mut alike: Vec<Option<Alike>> = alloc::vec![None; rows];
        let mut sizes: Vec<usize> = alloc::vec![1; rows];
        for (at, row) in self.rows.iter().enumerate().rev() {
            let below = children.get(at).map(Vec::as_slice).unwrap_or_default();
            let size: usize = below.iter().filter_map(|child| sizes.get(*child)).sum();
            let mine = alike_of(row, of.get(at).map(Vec::as_slice).unwrap_or_default());
            let mine = mine.filter(|mine| {
                let same = |child: &usize| alike.get(*child).is_some_and(|its| its.as_ref() == Some(mine));
                below.is_empty() || (mine.group.is_none() && below.iter().all(same))
            });
            if let (Some(place), Some(sum)) = (alike.get_mut(at), sizes.get_mut(at)) {
                *place = mine;
                *sum += size;
            }
        }
        // What each row becomes: the first row of the run that it is folded into.
        let mut into: Vec<Option<usize>> = alloc::vec![None; rows];
        for siblings in children.iter().chain([&top]) {
            for run in siblings.chunk_by(|a, b| {
                let of = |at: &usize| alike.get(*at).and_then(Option::as_ref);
                of(a).is_some() && of(a) == of(b)
            }) {
                let Some((first, Some(what))) =
                    run.first().map(|at| (*at, alike.get(*at).cloned().flatten()))
                else {
                    continue;
                };
                let size: usize = run.iter().filter_map(|at| sizes.get(*at)).sum();
                if size >= if what.group.is_some() { MIN_SHARED } else { MIN_ALONE } {
                    for at in run {
                        into.get_mut(*at).into_iter().for_each(|place| *place = Some(first));
                    }
                }
            }
        }
        // What is below a folded row is folded with it.
        for at in 0..rows {
            let above = self.rows.get(at).and_then(|row| row.parent);
            if let (Some(first), Some(place)) =
                (above.and_then(|above| into.get(above).copied().flatten()), into.get_mut(at))
            {
                *place = Some(first);
            }
        }
        self.redraw(&into);
    }

    /// Puts one row in the place of all that are folded into it.
    fn redraw(&mut self, into: &[Option<usize>]) {
        let old = core::mem::take(&mut self.rows);
        let mut runs: Vec<Vec<usize>> = alloc::vec![Vec::new(); old.len()];
        for (at, first) in into.iter().enumerate() {
            if let Some(run) = first.and_then(|first| runs.get_mut(first)) {
                run.push(at);
            }
        }
        let mut now: Vec<Option<usize>> = alloc::vec![None; old.len()];
        for (at, row) in old.iter().enumerate() {
            let first = into.get(at).copied().flatten();
            if first.is_none_or(|first| first == at) {
                let parent = row.parent.and_then(|parent| now.get(parent).copied().flatten());
                let run: Vec<&Row> =
                    runs.get(at).into_iter().flatten().filter_map(|member| old.get(*member)).collect();
                let row = if run.is_empty() { row.clone() } else { folded(&run) };
                self.rows.push(Row { parent, ..row });
            }
            // The row that it is folded into has its place already.
            let place = match first {
                Some(first) if first != at => now.get(first).copied().flatten(),
                _ => self.rows.len().checked_sub(1),
            };
            if let Some(entry) = now.get_mut(at) {
                *entry = place;
            }
        }
        let mut links: Vec<Link> = Vec::new();
        let mut known: BTreeMap<(usize, usize, bool), usize> = BTreeMap::new();
        let mut ends: BTreeMap<usize, String> = BTreeMap::new();
        for link in core::mem::take(&mut self.links) {
            let folded = into.get(link.from).copied().flatten().is_some();
            let Some(from) = now.get(link.from).copied().flatten() else { continue };
            match known.get(&(from, link.to, link.bypass)).filter(|_| folded) {
                Some(nth) => drop(ends.insert(*nth, link.label)),
                None => {
                    known.insert((from, link.to, link.bypass), links.len());
                    links.push(Link { from, ..link });
                }
            }
        }
        for (nth, last) in ends {
            if let Some(link) = links.get_mut(nth).filter(|link| link.label != last) {
                link.label = format!("{} … {last}", link.label);
            }
        }
        links.sort_by_key(|link| link.from);
        self.links = links;
    }
}

fn alike_of(row: &Row, links: &[&Link]) -> Option<Alike> {
    let shared = row.group.filter(|group| group.colour.is_some()).map(|group| group.id);
    let is_foldable = row.kind != RowKind::Root && (shared.is_some() || row.single);
    is_foldable.then(|| Alike {
        group: shared,
        is_grouped: row.group.is_some(),
        note: row.note.clone(),
        lines: links.iter().map(|link| (link.to, link.bypass)).collect(),
    })
}

/// One box for several devices.
fn folded(run: &[&Row]) -> Row {
    let name = |row: Option<&&Row>| row.map(|row| row.name.clone()).unwrap_or_default();
    let group = run.first().and_then(|row| row.group);
    let alone = if group.is_some_and(|group| group.colour.is_none()) { ", each alone" } else { "" };
    let mut tip: Vec<String> =
        run.iter().take(MAX_NAMED).map(|row| format!("{} {}", row.name, row.what)).collect();
    if let more @ 1.. = run.len().saturating_sub(MAX_NAMED) {
        tip.push(format!("and {more} more"));
    }
    Row {
        kind: RowKind::Device,
        what: format!("{} to {}{alone}", name(run.first()), name(run.last())),
        group,
        note: run.first().map(|row| row.note.clone()).unwrap_or_default(),
        tip: tip.join("\n"),
        stands_for: run.len(),
        ..Row::root(counted(run.len(), "device"))
    }
}
