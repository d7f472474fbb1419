//! A client: takes calls as they fall due, sends them, and says what became of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use hyper::header::WARNING;
use hyper::{HeaderMap, Method};
use tokio::time::{sleep, timeout};

use super::account::{Account, Outcome, Reason};
use super::calls::{self, Call, Calls};
use super::clock::Tickets;
use super::server::{Connection, Server};
use super::{LoadError, Plan};

/// How often a client asks whether the server is back.
const AGAIN: Duration = Duration::from_millis(200);
/// How long a new namespace may take to have all that a Pod needs.
const PREPARATION: Duration = Duration::from_secs(30);

/// What all clients of a load share.
pub(super) struct Shared {
    pub(super) account: Account,
    pub(super) plan: Plan,
    server: Arc<Server>,
    calls: Calls,
    /// From when on calls that have fallen due are not sent any more.
    abandoned: Mutex<Option<Instant>>,
}

/// An answer, complete.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

/// Why there is no answer.
struct Failed(Reason, String);

impl Shared {
    pub(super) fn new(calls: Calls, plan: Plan, server: Arc<Server>) -> Self {
        Self {
            account: Account::new(),
            plan,
            server,
            calls,
            abandoned: Mutex::new(None),
        }
    }

    /// Whatever is not sent by then never is.
    pub(super) fn abandon_at(&self, at: Instant) {
        *self.lock() = Some(at);
    }

    fn is_abandoned(&self) -> bool {
        self.lock().is_some_and(|at| Instant::now() >= at)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.abandoned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes what the clients work on, and tries that the server takes calls at all.
    pub(super) async fn prepare(&self, clients: usize) -> Result<(), LoadError> {
        let until = Instant::now() + PREPARATION;
        let mut connection = None;
        for client in 0..self.calls.preparations(clients) {
            loop {
                let call = self.calls.preparation(client);
                let refused = match self.attempt(&mut connection, &call).await {
                    Ok(answer) => match calls::failure(answer.status, &answer.body) {
                        None => break,
                        Some((_, text)) => text,
                    },
                    Err(Failed(_, text)) => text,
                };
                if Instant::now() >= until {
                    return Err(LoadError::new(format!("the first call failed: {refused}")));
                }
                sleep(AGAIN).await;
            }
        }
        Ok(())
    }

    async fn call(&self, connection: &mut Option<Connection>, call: &Call) -> Outcome {
        let mut answer = self.attempt(connection, call).await;
        if let Some(patience) = self.plan.patience {
            let until = Instant::now() + patience;
            while let Err(Failed(Reason::Connect | Reason::Broken, _)) = answer
                && Instant::now() < until
            {
                self.account.retried();
                *connection = self.ready_connection(until).await;
                answer = self.attempt(connection, call).await;
            }
        }
        match answer {
            Ok(answer) => self.outcome(call, &answer),
            Err(Failed(reason, text)) => Outcome::Failure(reason, text),
        }
    }

    fn outcome(&self, call: &Call, answer: &Answer) -> Outcome {
        let warnings = answer.headers.get_all(WARNING).iter();
        let codes: BTreeSet<&str> = warnings
            .map(|warning| {
                warning
                    .to_str()
                    .ok()
                    .and_then(calls::code)
                    .unwrap_or("other")
            })
            .collect();
        let as_expected = self
            .plan
            .expect
            .as_deref()
            .is_none_or(|code| !call.flawed || codes.contains(code));
        self.account.warned(codes);
        match calls::failure(answer.status, &answer.body) {
            None => Outcome::Success {
                answered: as_expected,
            },
            Some((reason, text)) => Outcome::Failure(reason, text),
        }
    }

    /// Sends a call once, over the connection that is there or a new one, which is kept unless something went wrong.
    async fn attempt(
        &self,
        connection: &mut Option<Connection>,
        call: &Call,
    ) -> Result<Answer, Failed> {
        let kept = connection
            .take()
            .filter(|connection| !connection.is_closed());
        let mut sender = match kept {
            Some(sender) => sender,
            None => self
                .server
                .connect()
                .await
                .map_err(|error| Failed(Reason::Connect, error.to_string()))?,
        };
        let request = self.server.request(
            call.method.clone(),
            &call.path,
            call.content_type,
            call.body.clone(),
        );
        let exchange = async {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            sender.ready().await.ok();
            Ok(Answer {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body,
            })
        };
        let limit = self.plan.timeout;
        let Ok(answer) = timeout(limit, exchange).await else {
            let text = format!("no answer within {limit:?}");
            return Err(Failed(Reason::Timeout, text));
        };
        let broken = |error: hyper::Error| Failed(Reason::Broken, words(&error));
        let answer = answer.map_err(broken)?;
        *connection = Some(sender);
        Ok(answer)
    }

    /// A connection to a server that says it is ready, as a load balancer would choose one.
    async fn ready_connection(&self, until: Instant) -> Option<Connection> {
        let readyz = Call {
            method: Method::GET,
            path: "/readyz".to_owned(),
            content_type: "application/json",
            body: Bytes::new(),
            flawed: false,
        };
        while Instant::now() < until {
            let mut connection = None;
            if let Ok(Answer { status: 200, .. }) = self.attempt(&mut connection, &readyz).await {
                return connection;
            }
            sleep(AGAIN).await;
        }
        None
    }
}

/// Works until no call is due any more.
pub(super) async fn work(
    client: usize,
    connection: Connection,
    shared: Arc<Shared>,
    tickets: Tickets,
) {
    let mut connection = Some(connection);
    let mut number = 0;
    while let Some(due) = tickets.next().await {
        let outcome = if shared.is_abandoned() {
            Outcome::Failure(
                Reason::Unsent,
                "the load ended before it was sent".to_owned(),
            )
        } else {
            let call = shared.calls.call(client, number);
            number += 1;
            shared.call(&mut connection, &call).await
        };
        shared.account.enter(due, outcome);
    }
}

/// An error with its causes.
fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
