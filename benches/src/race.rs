//! Races: everybody does the same work in turns, and the medians of nine rounds count.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

unsafe extern "C" {
    fn processor_time() -> u64;
    fn wait_for(process: i32, time: *mut u64, memory: *mut u64) -> i32;
    fn memory_in_use() -> u64;
    #[link_name = "keep_memory"]
    fn keep_memory_in_c();
}

/// From here on the process keeps the memory that it has, for everybody: pages that the kernel hands out anew in every round cost
/// more than the work.
pub fn keep_memory() {
    // SAFETY: it sets two numbers of the allocator.
    unsafe { keep_memory_in_c() }
}

/// A stretch of processor time of this thread: others on the machine do not count.
pub struct Stopwatch(u64);

impl Stopwatch {
    pub fn start() -> Self {
        // SAFETY: it reads a clock.
        Stopwatch(unsafe { processor_time() })
    }

    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(Self::start().0 - self.0)
    }
}

/// What a process took.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// From its start to its end, in nanoseconds.
    pub wall: f64,
    /// Processor time, its own and the system's for it, in nanoseconds.
    pub processor: f64,
    /// The most memory that it had, in bytes.
    pub memory: f64,
}

/// Runs a program, whose output goes nowhere and which has to end well. A process between this one and it does so: what the kernel says of
/// a process' memory counts that of the one which started it.
pub fn program(program: &Path, arguments: &[&str]) -> Ran {
    let between = std::env::current_exe().unwrap();
    let output = Command::new(between).arg(BETWEEN).arg(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{} {arguments:?} failed", program.display());
    let said = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = said.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [wall, processor, memory] = numbers[..] else { panic!("{said}") };
    Ran { wall, processor, memory }
}

/// What a process is told that runs another for [`program`].
const BETWEEN: &str = "--run";

/// Whether this process is one between; then it has done what it is for.
pub fn is_between() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != BETWEEN) {
        return false;
    }
    let start = Instant::now();
    let mut command = Command::new(arguments.next().unwrap());
    let child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (mut time, mut memory) = (0, 0);
    // SAFETY: it writes two numbers. The process is our child, and nothing else waits for it.
    let well = unsafe { wait_for(child.id().try_into().unwrap(), &mut time, &mut memory) };
    let wall = start.elapsed().as_nanos();
    assert!(well == 1, "it failed");
    println!("{wall} {time} {memory}");
    true
}

/// Bytes that the allocator has handed out.
pub fn in_use() -> u64 {
    // SAFETY: it reads numbers of the allocator.
    unsafe { memory_in_use() }
}

/// Odd, so that the median is a round that was run.
const ROUNDS: usize = 9;
/// Long enough for the clock, short enough that a round sees one state of the machine.
const TURN: Duration = Duration::from_millis(8);

/// Somebody who does the work. Its number is what the work came to, the same for all who do the same work.
pub struct Racer<'a> {
    work: Box<dyn FnMut() -> u64 + 'a>,
    /// How many units of work one call does.
    units: f64,
}

impl<'a> Racer<'a> {
    /// Work of which one call is one unit.
    pub fn new(work: impl FnMut() -> u64 + 'a) -> Self {
        Racer { work: Box::new(work), units: 1.0 }
    }

    /// Work of which one call does many units; times are per unit.
    pub fn per(units: usize, work: impl FnMut() -> u64 + 'a) -> Self {
        Racer { work: Box::new(work), units: units as f64 }
    }

    fn turn(&mut self, calls: u32) -> Duration {
        let start = Stopwatch::start();
        for _ in 0..calls {
            black_box((self.work)());
        }
        start.elapsed()
    }
}

/// What a race came to, by racer: nanoseconds for a unit of work, and the answer of the first call.
pub struct Outcome {
    pub nanoseconds: Vec<f64>,
    pub answers: Vec<u64>,
}

/// Runs a race. One slow call is enough for a turn; fast ones are repeated to fill it.
pub fn run(mut racers: Vec<Racer<'_>>) -> Outcome {
    let answers: Vec<u64> = racers.iter_mut().map(|racer| (racer.work)()).collect();
    let calls: Vec<u32> = racers
        .iter_mut()
        .map(|racer| {
            let mut calls = 1;
            // The time of the fewest calls that the clock can tell.
            while racer.turn(calls) < TURN / 8 {
                calls *= 2;
            }
            let once = racer.turn(calls).as_secs_f64() / f64::from(calls);
            (TURN.as_secs_f64() / once).ceil().clamp(1.0, 1e9) as u32
        })
        .collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); racers.len()];
    for _ in 0..ROUNDS {
        for ((racer, calls), times) in racers.iter_mut().zip(&calls).zip(&mut times) {
            times.push(racer.turn(*calls).as_secs_f64() * 1e9 / f64::from(*calls) / racer.units);
        }
    }
    Outcome { nanoseconds: times.into_iter().map(median).collect(), answers }
}

/// The middle one.
pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}
