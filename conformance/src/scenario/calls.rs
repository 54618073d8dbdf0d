//! The only way to make a tool call. Each call is recorded here: what the agent may now know, how long the call took,
//! which requests the target made to Vault, and whether an answer arrived.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Scenario;
use crate::{
    act::Act,
    engines::snapshot,
    instance::answer::{Answer, Arguments, ToolCall},
    latency::Call,
    mcp::{
        connection::{Connection, Said},
        http_message::{HttpAnswer, HttpAsk, NoHttp},
        inbox::{NoReply, Reply},
        raw::RawHttp,
        request::Request,
        transcript::most_open,
    },
    tap::Tap,
    vault::oracle::{SecretData, Snapshot},
    verdict::{StepEnd, StepResult},
};

/// The calls of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// The agent's last call.
    pub(crate) last: Option<CallRecord>,
    /// The results of several calls that are checked together: made at the same time, or one after the other.
    pub(crate) several: Vec<CallRecord>,
    /// Whether no snapshots are taken because there is too much in Vault.
    pub(crate) without_snapshots: bool,
    /// Whether a call had no answer. The answer may still arrive, in the next scenario.
    unanswered: AtomicBool,
    /// How many calls have begun.
    begun: AtomicUsize,
    /// How many of them have not ended yet.
    under_way: AtomicUsize,
    measured: Mutex<Vec<Call>>,
}

/// A call that the agent made, and its result.
#[derive(Clone, Debug)]
pub(crate) struct CallRecord {
    pub(crate) act: Act,
    pub(crate) answer: Answer,
    /// Vault before the call; empty if no snapshot was taken.
    pub(crate) before: Snapshot,
    /// The contents of the secret, if the call is about one, before the call.
    pub(crate) held: Option<SecretData>,
    /// How many requests had passed the tap before the call.
    pub(crate) passed: usize,
}

/// How a call is made. By default it is made on the agent's own connection, with all arguments and without a snapshot.
#[derive(Clone, Copy, Default)]
pub(crate) struct CallOptions<'c> {
    /// The connection, if it is not the agent's own.
    pub(crate) connection: Option<&'c Connection>,
    /// The arguments of the call.
    pub(crate) arguments: Arguments<'c>,
    /// Whether a snapshot of Vault is taken before the call.
    pub(crate) snapshot: bool,
    /// Whether Vault denies the operation. The answer must then reveal nothing.
    pub(crate) is_denied: bool,
}

/// A call that has begun.
pub(crate) struct BegunCall {
    act: Act,
    before: Snapshot,
    held: Option<SecretData>,
    passed: usize,
}

/// Counts as under way for as long as it lives.
struct UnderWay<'c> {
    calls: &'c Calls,
    /// How many calls had begun, including this one.
    begun: usize,
    others: usize,
}

impl Calls {
    /// Whether a call had no answer.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Records whether something that should be answered was not.
    pub(crate) fn note_unanswered(&self, unanswered: bool) {
        self.unanswered.fetch_or(unanswered, Ordering::Relaxed);
    }

    /// The durations of the calls that succeeded and that nothing delayed.
    pub(crate) fn take_measured(&self) -> Vec<Call> {
        std::mem::take(&mut self.measured.lock())
    }

    fn enter(&self) -> UnderWay<'_> {
        UnderWay {
            calls: self,
            others: self.under_way.fetch_add(1, Ordering::Relaxed),
            begun: self.begun.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }
}

impl UnderWay<'_> {
    /// Whether no other call was under way at the same time.
    fn was_alone(&self) -> bool {
        self.others == 0 && self.calls.begun.load(Ordering::Relaxed) == self.begun
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.calls.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CallOptions<'_> {
    /// On the agent's own connection, with all arguments and a snapshot.
    pub(crate) const WITH_SNAPSHOT: CallOptions<'static> = CallOptions {
        connection: None,
        arguments: Arguments::All,
        snapshot: true,
        is_denied: false,
    };

    /// On another connection.
    pub(crate) fn on(connection: &Connection) -> CallOptions<'_> {
        CallOptions {
            connection: Some(connection),
            ..CallOptions::default()
        }
    }
}

impl Scenario {
    /// The tool call that performs an act.
    ///
    /// # Errors
    /// Not applicable if the target offers no tool for it.
    pub(crate) fn tool_call(&self, act: &Act) -> StepResult<ToolCall<'_>> {
        self.tool_call_with(act, Arguments::All)
    }

    /// The tool call that performs an act with these arguments.
    ///
    /// # Errors
    /// As [`Scenario::tool_call`].
    pub(crate) fn tool_call_with(
        &self,
        act: &Act,
        arguments: Arguments<'_>,
    ) -> StepResult<ToolCall<'_>> {
        let (adapter, instance) = (&self.target.adapter, self.instance()?);
        if let (Some(mapping), Some(path)) = (adapter.operations.get(&act.operation), act.secret())
        {
            let (operation, exists) = (act.operation, self.ledger.has_made(path));
            let refused = match exists {
                true => mapping
                    .create_only
                    .then_some("only creates secrets (create_only)"),
                false => (mapping.existing_only)
                    .then_some("only changes secrets that exist (existing_only)"),
            };
            if let Some(what) = refused {
                return Err(StepEnd::not_claimed(format!(
                    "the tool for {operation} {what}"
                )));
            }
        }
        let mount = act.parameters.get("mount").and_then(Value::as_str);
        let kv_version = mount.and_then(|mount| self.ledger.kv_versions.get(mount));
        ToolCall::new(
            adapter,
            instance,
            act.operation,
            &act.parameters,
            kv_version.copied().unwrap_or(2),
            arguments,
        )
    }

    /// Makes the tool call that performs an act.
    ///
    /// # Errors
    /// Not applicable if the target offers no tool for it; blocked if Vault fails.
    pub(crate) async fn call(&self, act: Act, options: CallOptions<'_>) -> StepResult<CallRecord> {
        let is_own = options.connection.is_none();
        let connection = match options.connection {
            Some(connection) => connection,
            None => self.connection()?,
        };
        let begun = self.begin_call(act, options).await?;
        let is_hindered = self.slot()?.tap.as_ref().is_some_and(Tap::has_fault);
        let call = self.tool_call_with(&begun.act, options.arguments)?;
        let under_way = self.calls.enter();
        let (answer, took) = call.make(connection).await;
        let was_alone = under_way.was_alone();
        drop(under_way);
        let record = self.end_call(begun, answer);
        let succeeded = matches!(record.answer, Answer::Success(_));
        if succeeded && is_own && was_alone && !is_hindered {
            let tap = self.slot()?.tap.as_ref();
            self.calls.measured.lock().push(Call {
                operation: record.act.operation,
                took,
                vault_requests: tap.map(|tap| tap.passed() - record.passed),
            });
        }
        Ok(record)
    }

    /// Posts the tool call that performs an act over HTTP, as `asked` says.
    ///
    /// # Errors
    /// As [`Scenario::call`].
    pub(crate) async fn call_over_http(
        &self,
        act: Act,
        options: CallOptions<'_>,
        endpoint: &RawHttp,
        asked: &HttpAsk,
    ) -> StepResult<(CallRecord, Result<HttpAnswer, NoHttp>)> {
        let call = self.tool_call_with(&act, options.arguments)?;
        let begun = self.begin_call(act, options).await?;
        let patience = self.patience();
        let answered = endpoint.send(asked, patience).await;
        let answer = call.read_http(&answered, patience);
        Ok((self.end_call(begun, answer), answered))
    }

    /// The tool call that performs an act, as a client posts it in this session.
    ///
    /// # Errors
    /// As [`Scenario::call`].
    pub(crate) fn posted(&self, act: &Act, id: &str) -> StepResult<Request> {
        let params = self.tool_call(act)?.params;
        let revision = self.planned.revision;
        Ok(Request::new(revision, id, "tools/call", params))
    }

    /// Records the state before a call. The caller passes the answer to [`Scenario::end_call`].
    ///
    /// # Errors
    /// Blocked if Vault fails.
    pub(crate) async fn begin_call(
        &self,
        act: Act,
        options: CallOptions<'_>,
    ) -> StepResult<BegunCall> {
        let before = match options.snapshot {
            true => self.snapshot().await?,
            false => Snapshot::new(),
        };
        if !options.is_denied {
            self.ledger.let_read(&act);
        }
        let held = act.secret().and_then(|path| self.ledger.holds.get(path));
        let tap = self.slot()?.tap.as_ref();
        Ok(BegunCall {
            held: held.cloned(),
            passed: tap.map_or(0, Tap::passed),
            before,
            act,
        })
    }

    /// Records the result of a call.
    pub(crate) fn end_call(&self, call: BegunCall, answer: Answer) -> CallRecord {
        if let Answer::Success(success) = &answer {
            self.ledger.remember_keys(&success.whole, true);
        }
        let is_silent = matches!(answer, Answer::Nothing(_));
        self.calls.note_unanswered(is_silent);
        CallRecord {
            act: call.act,
            answer,
            before: call.before,
            held: call.held,
            passed: call.passed,
        }
    }

    /// Calls a tool that performs no act, or with arguments that the adapter does not define.
    ///
    /// # Errors
    /// If no agent acts.
    pub(crate) async fn call_tool(
        &self,
        name: &str,
        arguments: &Value,
    ) -> StepResult<Result<Reply, NoReply>> {
        let params = json!({ "name": name, "arguments": arguments });
        let reply = self.request("tools/call", params).await?;
        if let Ok(Reply::Result(result)) = &reply {
            self.ledger.remember_keys(&result.to_string(), true);
        }
        Ok(reply)
    }

    /// Calls a tool in a batch that contains only this call.
    ///
    /// # Errors
    /// If no agent acts.
    pub(crate) async fn call_in_batch(&self, name: &str, arguments: &Value) -> StepResult<Said> {
        let params = json!({ "name": name, "arguments": arguments });
        let call = Request::new(self.planned.revision, "batch-1", "tools/call", params);
        let batch = format!("[{}]", call.text());
        let said = self.connection()?.say(&batch, false).await;
        self.calls.note_unanswered(said.problem.is_some());
        Ok(said)
    }

    /// Sends a request that is no tool call.
    ///
    /// # Errors
    /// If no agent acts.
    pub(crate) async fn request(
        &self,
        method: &str,
        params: Value,
    ) -> StepResult<Result<Reply, NoReply>> {
        let reply = self.connection()?.request(method, params).await;
        self.calls.note_unanswered(reply.is_err());
        Ok(reply)
    }

    /// Lets the agent perform an act, after a snapshot of Vault.
    ///
    /// # Errors
    /// Not applicable if the target offers no tool for it; blocked if Vault fails.
    pub(crate) async fn let_agent(&mut self, act: Act) -> StepResult {
        self.let_agent_with(act, Arguments::All).await
    }

    /// Like [`Scenario::let_agent`], with these arguments.
    ///
    /// # Errors
    /// As [`Scenario::let_agent`].
    pub(crate) async fn let_agent_with(
        &mut self,
        act: Act,
        arguments: Arguments<'_>,
    ) -> StepResult {
        self.agents.take_turn();
        let options = CallOptions {
            arguments,
            ..CallOptions::WITH_SNAPSHOT
        };
        let record = self.call(act, options).await?;
        self.calls.last = Some(record);
        Ok(())
    }

    /// Lets the agent perform several acts, one after the other.
    ///
    /// # Errors
    /// As [`Scenario::let_agent`].
    pub(crate) async fn let_agent_in_turn(&mut self, acts: Vec<Act>) -> StepResult {
        self.calls.several.clear();
        for act in acts {
            self.let_agent(act).await?;
            let record = self.last()?.clone();
            self.calls.several.push(record);
        }
        Ok(())
    }

    /// The agent's last call.
    pub(crate) fn last(&self) -> StepResult<&CallRecord> {
        let missing = || StepEnd::blocked("the agent has made no call yet");
        self.calls.last.as_ref().ok_or_else(missing)
    }

    /// Checks that calls that should overlap did overlap, on this number of connections.
    ///
    /// # Errors
    /// Blocked if they did not, because then the scenario shows nothing about overlapping calls.
    pub(crate) fn expect_made_at_once(&self, connections: usize) -> StepResult {
        let lines = self.connection()?.transcript().scenario_lines();
        let open = most_open(&lines);
        match open.requests >= 2 && open.connections >= connections {
            true => Ok(()),
            false => Err(StepEnd::blocked(format!(
                "at most {} calls on {} connections were under way at once: the limits in the adapter allow no more",
                open.requests, open.connections
            ))),
        }
    }

    /// How long the target may take to answer.
    pub(crate) fn patience(&self) -> Duration {
        self.target.adapter.budgets.call()
    }

    /// All that the scenario has made in Vault.
    ///
    /// # Errors
    /// Blocked if Vault fails.
    pub(crate) async fn snapshot(&self) -> StepResult<Snapshot> {
        if self.calls.without_snapshots {
            return Ok(Snapshot::new());
        }
        let snapshot = snapshot(&self.oracle, &self.prefix).await;
        snapshot.map_err(StepEnd::blocked)
    }
}
