//! Agents at work, told to a node: `agent_loop URL [LOOPS]`. Try it beside `make demo`.
//!
//! Prints what it counted, so that it can be held against what the node answers.

use plimsoll_client::{Client, Collector, LlmCall, LoopExecution, LoopStatus, Spill, Tokens, ToolCall};
use std::error::Error;
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| Client::DEFAULT_URL.to_owned());
    let loops: u64 = args.next().map_or(Ok(20), |n| n.parse())?;

    let mut builder = Client::new(&url)?.collector().label("job", "agent_loop");
    builder = builder.flush_interval(Duration::from_secs(1));
    if let Ok(folder) = std::env::var("SPILL") {
        // What no node takes waits here, also over a restart of this program.
        let spill = Spill::open(folder, 64 << 20)?;
        builder = builder.writer(|writer| writer.spill(spill).spill_after(Duration::from_millis(200)));
    }
    let collector = builder.start();

    let mut totals = Totals::default();
    for n in 0..loops {
        // An error ends a loop as any error does in Rust; the guard counts it.
        let _ = review(&collector, n, &mut totals).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    triage(&collector, &mut totals);

    let counters = collector.close(Duration::from_secs(30)).await;
    println!("loops {}", loops + 1);
    println!("tokens {}", totals.tokens);
    println!("tools {}", totals.tools);
    println!("errors {}", totals.errors);
    println!("lost {} queued {} spilled {}", counters.lost(), counters.queued, counters.spilled);
    Ok(())
}

#[derive(Default)]
struct Totals {
    tokens: u64,
    tools: u64,
    errors: u64,
}

/// A loop with a guard: five lines tell all of it.
async fn review(collector: &Collector, n: u64, totals: &mut Totals) -> Result<(), &'static str> {
    let mut run = collector.loop_guard("code_review").agent("reviewer"); // 1: the clock runs
    for turn in 0..=n % 3 {
        run.turn();
        let tokens = Tokens::from_anthropic(1200 + n, 300 + turn, 800, 50);
        run.tokens("anthropic", "claude-sonnet", tokens); // 2
        totals.tokens += tokens.total();
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(2)).await;
        run.tool("read_file", began.elapsed(), n % 4 != 3); // 3
        totals.tools += 1;
    }
    if n % 5 == 4 {
        run.error("rate_limit"); // 4: and no success
        totals.errors += 1;
        return Err("the provider is busy");
    }
    run.success(); // 5
    Ok(())
}

/// A loop that somebody else timed.
fn triage(collector: &Collector, totals: &mut Totals) {
    let tokens = Tokens::from_openai(5_000, 700, 4_000, 200);
    collector.collect_loop_metrics(&LoopExecution {
        loop_type: "triage".into(),
        status: LoopStatus::Timeout,
        duration: Duration::from_secs(42),
        turns: Some(3),
        llm_calls: vec![LlmCall {
            provider: "openai".into(),
            model: "gpt".into(),
            tokens,
            duration: Some(Duration::from_secs(9)),
            time_to_first_token: Some(Duration::from_millis(400)),
        }],
        tool_calls: vec![ToolCall { tool: "search".into(), success: true, duration: None }],
        errors: vec!["timeout".into()],
        ..LoopExecution::default()
    });
    totals.tokens += tokens.total();
    totals.tools += 1;
    totals.errors += 1;
}
