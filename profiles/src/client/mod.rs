//! The shipping [`Server`]: any OpenAI-compatible HTTP server, streaming, over real sockets and the real clock.

mod exchange;
mod prompt;
mod sse;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use slo_router::scheduling::shape::Shape;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use self::exchange::Exchange;
use self::prompt::{Prompts, Tokenizer};
use crate::measure::{Answer, Failure, Server, ServerError, Trial};

pub use self::exchange::Endpoint;

/// Words of the prompts that a server's way of counting is learned from.
const PROBE_WORDS: [u32; 2] = [20, 100];
/// Tokens of the answer that tells whether a length can be forced.
const PROBE_TOKENS: u32 = 24;
/// A server is idle again when a probe takes at most this many times what it took at first, and a little.
const IDLE_FACTOR: f64 = 2.0;
const IDLE_GRACE: Duration = Duration::from_millis(30);
/// Between two looks at a server that is busy or gone.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Whom to measure, and how to talk to it.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Such as `http://10.0.0.7:8000`; with or without `/v1`.
    pub url: String,
    /// One of the two completion endpoints.
    pub endpoint: Endpoint,
    /// The model, as requests name it.
    pub model: String,
    /// Sent as a bearer token.
    pub api_key: Option<String>,
    /// Fields that are added to each request's body.
    pub extra_body: Map<String, Value>,
    /// Prompt tokens that all prompts begin with alike.
    pub shared_prefix_tokens: u32,
    /// No answer is silent for longer, unless it stalled.
    pub stall_after: Duration,
    /// Time for which a server may be gone or busy before measuring stops.
    pub patience: Duration,
}

/// A server on the network.
#[derive(Debug)]
pub struct HttpServer {
    exchange: Arc<Exchange>,
    prompts: Prompts,
    /// Prompts made so far: each number is used once.
    prompts_made: u64,
    /// Time that a small request took when the server was known to be idle.
    idle_probe: Option<Duration>,
    patience: Duration,
}

/// Facts about a server, learned before measuring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learned {
    /// `true` if it forces the output length.
    pub forces_length: bool,
    /// `true` if it reports usage.
    pub reports_usage: bool,
    /// Tokens per word of our prompts.
    pub tokens_per_word: f64,
}

// === impl HttpServer ===

impl HttpServer {
    /// Fails if the URL or the key cannot be used at all.
    ///
    /// # Errors
    ///
    /// What the HTTP client says of them.
    pub fn new(options: &ClientOptions) -> Result<Self, reqwest::Error> {
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        Ok(Self {
            exchange: Arc::new(Exchange::new(options)?),
            prompts: Prompts::new(Tokenizer::ASSUMED, options.shared_prefix_tokens, run),
            prompts_made: 0,
            idle_probe: None,
            patience: options.patience,
        })
    }

    /// Learns how the server counts tokens, whether it reports usage and whether it forces output lengths.
    ///
    /// # Errors
    ///
    /// If it does not answer, or refuses what it is asked.
    pub async fn learn(&mut self) -> Result<Learned, ServerError> {
        self.settle().await?;
        let mut probes = [None; 2];
        for (probe, words) in probes.iter_mut().zip(PROBE_WORDS) {
            let prompt = self.prompts.of_words(words, self.prompts_made);
            self.prompts_made += 1;
            let answer = self.exchange.ask(prompt, PROBE_TOKENS, true).await;
            let answer = match answer {
                // A server that is strict about fields it does not know takes the request without them.
                Err(Failure::Status(400 | 422, _)) if self.exchange.forces_length() => {
                    self.exchange.stop_forcing_length();
                    self.exchange.ask(self.prompts.of_words(words, self.prompts_made), PROBE_TOKENS, true).await
                }
                answer => answer,
            };
            let answer = answer.map_err(|failure| ServerError::Refuses(failure.to_string()))?;
            *probe = Some((words, answer));
        }
        let [Some((few, short)), Some((many, long))] = probes else {
            return Err(ServerError::Gone("it answered no probe".into()));
        };
        let tokenizer = match (short.input_tokens, long.input_tokens) {
            (Some(short), Some(long)) => Tokenizer::through((few, short), (many, long)),
            _ => Tokenizer::ASSUMED,
        };
        self.prompts.set_tokenizer(tokenizer);
        Ok(Learned {
            forces_length: short.output_tokens == PROBE_TOKENS && long.output_tokens == PROBE_TOKENS,
            reports_usage: short.input_tokens.is_some(),
            tokens_per_word: tokenizer.tokens_per_word,
        })
    }

    fn prompt(&mut self, tokens: u32) -> String {
        self.prompts_made += 1;
        self.prompts.of_tokens(tokens, self.prompts_made)
    }

    /// A request that any server answers at once, if nothing keeps it from doing so.
    async fn probe(&mut self) -> Result<Answer, Failure> {
        let prompt = self.prompt(32);
        self.exchange.ask(prompt, 1, false).await
    }
}

impl Server for HttpServer {
    async fn run(&mut self, trial: &mut Trial) -> Result<(), ServerError> {
        let Shape { output_tokens, input_tokens } = trial.shape();
        // Dropping the set cancels what is still under way, on the server too.
        let mut under_way = JoinSet::new();
        let started = Instant::now();
        while !trial.is_over() {
            let due = started + trial.next_arrival();
            tokio::select! {
                Some(ended) = under_way.join_next(), if !under_way.is_empty() => {
                    let (number, result) = ended.map_err(|error| ServerError::Gone(error.to_string()))?;
                    trial.finish(number, started.elapsed(), result);
                }
                () = sleep_until(due) => {
                    let prompt = self.prompt(input_tokens);
                    let number = trial.send(due.elapsed());
                    let exchange = self.exchange.clone();
                    under_way.spawn(async move { (number, exchange.ask(prompt, output_tokens, true).await) });
                }
            }
        }
        Ok(())
    }

    async fn ask(&mut self, shape: Shape, _number: u64) -> Result<Result<Answer, Failure>, ServerError> {
        let prompt = self.prompt(shape.input_tokens);
        Ok(self.exchange.ask(prompt, shape.output_tokens, true).await)
    }

    async fn settle(&mut self) -> Result<(), ServerError> {
        let until = Instant::now() + self.patience;
        loop {
            let gone = match self.probe().await {
                Ok(answer) => match self.idle_probe {
                    Some(idle) if answer.e2e <= idle.mul_f64(IDLE_FACTOR) + IDLE_GRACE => return Ok(()),
                    Some(idle) => ServerError::Busy(format!("a probe took {:?}, {idle:?} when idle", answer.e2e)),
                    None => {
                        // The first answer may have opened the connection or warmed the server up.
                        self.idle_probe = self.probe().await.ok().map(|answer| answer.e2e);
                        return Ok(());
                    }
                },
                Err(Failure::Status(status @ (400..=499), reason)) => {
                    return Err(ServerError::Refuses(format!("status {status}: {reason}")));
                }
                Err(failure) => ServerError::Gone(failure.to_string()),
            };
            if Instant::now() >= until {
                return Err(gone);
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}
