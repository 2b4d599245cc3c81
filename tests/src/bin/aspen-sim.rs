//! Runs simulated clusters: many seeds, one seed, or what an artifact recorded.
#![allow(clippy::disallowed_methods, reason = "the runner is no part of what it simulates")]

#[cfg(not(madsim))]
fn main() {
    eprintln!("aspen-sim needs a simulating build: run `cargo xtask sim`");
    std::process::exit(2);
}

#[cfg(madsim)]
fn main() -> std::process::ExitCode {
    simulating::main()
}

#[cfg(madsim)]
mod simulating {
    use std::path::PathBuf;
    use std::process::ExitCode;
    use std::time::Duration;

    use aspen_tests::sim::{Artifact, Batch, Failure, Plan, Report, Summary, minimize, run};
    use clap::Parser;

    /// Runs simulated clusters until a promise is broken. The same seed gives the same run.
    #[derive(Parser)]
    #[command(name = "cargo xtask sim")]
    struct Arguments {
        /// The first seed; a random one when none is given.
        #[arg(long)]
        seed: Option<u64>,
        /// How many seeds; 1 with --seed, else 100, or as many as fit into --minutes.
        #[arg(long)]
        seeds: Option<u64>,
        /// A workload's name, or `all`: each seed another one.
        #[arg(long, default_value = "all")]
        workload: String,
        /// Begin no seed after so many minutes.
        #[arg(long)]
        minutes: Option<f64>,
        /// How many seeds to run at once.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Plant a bug, to see that it is found.
        #[arg(long)]
        plant: Option<String>,
        /// Run each seed twice and fail when the runs differ.
        #[arg(long)]
        twice: bool,
        /// Go on after a failure, and list all of them.
        #[arg(long)]
        keep_going: bool,
        /// Play again what an artifact recorded.
        #[arg(long)]
        replay: Option<PathBuf>,
        /// Where to write artifacts.
        #[arg(long, default_value = "target/sim-failures")]
        artifacts: PathBuf,
        /// Write the whole trace of a single seed to a file.
        #[arg(long)]
        trace: Option<PathBuf>,
        /// Leave a failure as it was found.
        #[arg(long)]
        no_minimize: bool,
        /// Print the summary as JSON.
        #[arg(long)]
        json: bool,
    }

    pub(crate) fn main() -> ExitCode {
        let arguments = Arguments::parse();
        start_logging();
        let sound = match &arguments.replay {
            Some(path) => replay(path, &arguments),
            None => run_batch(&arguments),
        };
        if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Panics are part of verdicts; log lines are wanted only when asked for.
    fn start_logging() {
        if std::env::var_os("RUST_LOG").is_none() {
            return;
        }
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }

    fn replay(path: &std::path::Path, arguments: &Arguments) -> bool {
        let artifact = match Artifact::load(path) {
            Ok(artifact) => artifact,
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                return false;
            }
        };
        println!("{}", artifact.plan.describe());
        let report = run(artifact.plan.clone(), arguments.trace.is_some());
        write_trace(arguments, &report);
        println!("recorded: {}", artifact.verdict);
        print_verdict(&report);
        println!("the same events: {}", report.digest == artifact.digest);
        report.verdict.is_ok()
    }

    fn run_batch(arguments: &Arguments) -> bool {
        let batch = batch(arguments);
        if batch.count == Some(1) {
            return run_one(&batch, arguments);
        }
        eprintln!("seeds from {}, workload {}", batch.first, batch.workload);
        let summary = batch.run(|summary| {
            if summary.seeds % 50 == 0 {
                eprintln!("{} seeds, {:.1} a second", summary.seeds, summary.seeds_per_second());
            }
        });
        print_summary(&batch, &summary, arguments.json);
        if let Some(failure) = &summary.failure {
            report_failure(failure, arguments);
        }
        summary.failure.is_none()
    }

    fn batch(arguments: &Arguments) -> Batch {
        let time = arguments.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
        let count = match (arguments.seeds, arguments.seed, time) {
            (Some(count), ..) => Some(count),
            (None, Some(_), None) => Some(1),
            (None, None, None) => Some(100),
            (None, _, Some(_)) => None,
        };
        Batch {
            first: arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
            count,
            time,
            workload: arguments.workload.clone(),
            jobs: arguments.jobs,
            plant: arguments.plant.clone(),
            twice: arguments.twice,
            keep_going: arguments.keep_going,
        }
    }

    fn run_one(batch: &Batch, arguments: &Arguments) -> bool {
        if batch.twice {
            let summary = batch.run(|_| {});
            print_summary(batch, &summary, arguments.json);
            summary.failure.iter().for_each(|failure| print_verdict(&failure.report));
            return summary.failure.is_none();
        }
        let plan = batch.plan(batch.first);
        println!("{}", plan.describe());
        let report = run(plan.clone(), arguments.trace.is_some());
        write_trace(arguments, &report);
        print_verdict(&report);
        let sound = report.verdict.is_ok();
        if !sound && arguments.trace.is_none() {
            report_failure(&Failure { plan, report }, arguments);
        }
        sound
    }

    fn write_trace(arguments: &Arguments, report: &Report) {
        if let Some(path) = &arguments.trace {
            std::fs::write(path, report.tail.join("\n")).expect("the trace can be written");
        }
    }

    fn print_verdict(report: &Report) {
        let (digest, events) = report.digest;
        let operations = report.history.operations.len();
        println!(
            "digest {digest:016x}, {events} events, {operations} operations, {} ms simulated",
            report.simulated_ms
        );
        match &report.verdict {
            Ok(()) => println!("every promise was kept"),
            Err(violation) => println!("broken: {violation}"),
        }
    }

    fn print_summary(batch: &Batch, summary: &Summary, json: bool) {
        if json {
            println!("{}", serde_json::to_string(summary).expect("a summary can be written"));
            return;
        }
        println!(
            "{} seeds from {} in {:.1} s, {:.2} seeds a second, {:.0} s simulated",
            summary.seeds,
            batch.first,
            summary.wall_ms as f64 / 1_000.0,
            summary.seeds_per_second(),
            summary.simulated_ms as f64 / 1_000.0,
        );
        println!("{} operations; faults: {:?}", summary.operations, summary.faults);
        for (promise, seeds) in &summary.broken {
            println!("broken in {} seeds: {promise}: {seeds:?}", seeds.len());
        }
    }

    fn report_failure(failure: &Failure, arguments: &Arguments) {
        let Failure { plan, report } = failure;
        println!("seed {} fails; run it again with", plan.seed());
        println!("  {}", command(plan));
        print_verdict(report);
        let (drawn, smaller) = (plan.faults().len(), smaller(failure, arguments));
        let artifact = Artifact::of(&smaller.plan, &smaller.report, drawn);
        match artifact.map(|artifact| artifact.save(&arguments.artifacts)) {
            Some(Ok(path)) => println!("play it again with --replay {}", path.display()),
            Some(Err(error)) => println!("the artifact was not written: {error}"),
            None => {}
        }
    }

    fn smaller(failure: &Failure, arguments: &Arguments) -> Failure {
        if arguments.no_minimize {
            return failure.clone();
        }
        let (plan, report) = minimize(&failure.plan, &failure.report);
        println!("with {} of {} faults:", plan.faults().len(), failure.plan.faults().len());
        println!("{}", plan.describe());
        Failure { plan, report }
    }

    fn command(plan: &Plan) -> String {
        let plant = plan.plant().map_or_else(String::new, |bug| format!(" --plant {bug}"));
        format!("cargo xtask sim --seed {} --workload {}{plant}", plan.seed(), plan.workload())
    }
}
