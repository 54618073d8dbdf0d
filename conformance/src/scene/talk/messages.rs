//! Messages that no well-behaved client sends, and what must come of them.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::request;
use crate::{
    act::Act,
    mcp::connection::{Connection, Said, meta},
    scene::{Scene, talk::Talk},
    tap::trap::{Springs, Trap},
    target::answer::carrier,
    transport::Era,
    vault::oracle::Snapshot,
    verdict::{StepResult, Stop},
};

/// For how long Vault keeps a reading waiting at the most that is to be cancelled.
const HELD: Duration = Duration::from_secs(10);
/// How long an answer that must not come is waited for at the least.
const MOMENT: Duration = Duration::from_millis(200);
/// How long an answer may take that tells why Vault has changed.
const LATE: Duration = Duration::from_secs(10);
/// How often it is looked for.
const GLANCE: Duration = Duration::from_millis(20);
/// The id of a call that is out of turn.
const EARLY: &str = "early-1";
/// The name of a tool that no server has.
const NO_TOOL: &str = "no_such_tool_6f1d";
/// The token of a call whose progress is wished for.
const PROGRESS: &str = "progress-of-the-list";

/// Progress that was told.
pub struct Progress {
    /// Whether the call had a token.
    wished: bool,
    /// Whether it came after the call's answer.
    late: bool,
    params: Value,
}

impl Scene {
    /// Says what a feature words so, and listens.
    ///
    /// # Errors
    /// Blocked when no message is worded so.
    pub async fn say_odd(&mut self, what: &str) -> StepResult {
        let id = json!("odd-1");
        let ask = |method: &str, params: Value| (request(&id, method, params), true);
        let any = self.instance()?.tool_names.first().cloned();
        let any = any.unwrap_or_else(|| NO_TOOL.to_owned());
        let call = |params: Value| ask("tools/call", params);
        let raw = |message: Value| (message.to_string(), false);
        let whole = request(&id, "tools/list", json!({}));
        let (text, is_request) = match what {
            "a method that there is not" => ask("no/such/method", json!({})),
            "a tool that there is not" => call(json!({ "name": NO_TOOL, "arguments": {} })),
            "a call that names no tool" => call(json!({ "arguments": {} })),
            "a call whose tool is a number" => call(json!({ "name": 7, "arguments": {} })),
            "a call whose arguments are a list" => call(json!({ "name": any, "arguments": [] })),
            "a call whose arguments are text" => call(json!({ "name": any, "arguments": "x" })),
            "a call without parameters" => {
                raw(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call" }))
            }
            "text that is no JSON" => ("{ this is no JSON".to_owned(), false),
            "half a message" => (whole[..whole.len() / 2].to_owned(), false),
            "a message with something behind it" => (format!("{whole} x"), false),
            "JSON that is nested 20,000 deep" => ("[".repeat(20_000), false),
            "control characters" => (format!("{{\"\u{1}\u{7f}{whole}"), false),
            "a text" => raw(json!("tools/list")),
            "a number" => raw(json!(42)),
            "an empty object" => raw(json!({})),
            "an empty list" => raw(json!([])),
            "a message that does not tell its version" => {
                raw(json!({ "id": id, "method": "tools/list" }))
            }
            "a message of JSON-RPC 1.0" => {
                raw(json!({ "jsonrpc": "1.0", "id": id, "method": "tools/list" }))
            }
            "a message whose method is a number" => {
                raw(json!({ "jsonrpc": "2.0", "id": id, "method": 7 }))
            }
            "a message whose id is a list" => {
                raw(json!({ "jsonrpc": "2.0", "id": [1], "method": "tools/list" }))
            }
            "an answer to nothing" => raw(json!({ "jsonrpc": "2.0", "id": id, "result": {} })),
            _ => return Err(Stop::blocked(format!("no message is worded {what:?}"))),
        };
        self.say(&text, is_request).await
    }

    async fn say(&mut self, text: &str, is_request: bool) -> StepResult {
        let said = self.connection()?.say(text, is_request).await;
        self.heard(said);
        Ok(())
    }

    pub(super) fn heard(&mut self, said: Said) {
        self.unanswered |= said.problem.is_some();
        self.state_mut::<Talk>().said = Some(said);
    }

    pub(super) fn said(&self) -> StepResult<&Said> {
        let missing = || Stop::blocked("the scenario let nothing be said yet");
        self.state::<Talk>().said.as_ref().ok_or_else(missing)
    }

    /// What was said must have been refused: by an error, or where it was no request by
    /// silence.
    ///
    /// # Errors
    /// When it succeeded, or a request has no answer.
    pub fn expect_refused_message(&self, may_be_silent: bool) -> StepResult {
        let said = self.said()?;
        if said.success().is_none() && (may_be_silent || said.refuses()) {
            return Ok(());
        }
        let expected = match may_be_silent {
            true => "an error, or no answer",
            false => "an error",
        };
        Err(self.failed(expected, &said.describe()))
    }

    /// What was said must have been answered with this JSON-RPC error.
    ///
    /// # Errors
    /// When it was not.
    pub fn expect_error_code(&self, code: i64) -> StepResult {
        let said = self.said()?;
        match said.error().map(|error| &error["code"]) {
            Some(seen) if *seen == code => Ok(()),
            _ => Err(self.failed(format!("the JSON-RPC error {code}"), &said.describe())),
        }
    }

    /// Tells the server something that no revision knows.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn tell_unknown(&mut self) -> StepResult {
        let text = json!({ "jsonrpc": "2.0", "method": "notifications/no_such", "params": {} });
        self.say(&text.to_string(), false).await
    }

    /// What was told must not have been answered; a refusal over HTTP may tell why.
    ///
    /// # Errors
    /// When it was.
    pub fn expect_unanswered(&self) -> StepResult {
        let said = self.said()?;
        let refused = said.status.is_some_and(|status| status >= 400);
        let answers = said
            .messages
            .iter()
            .filter(|message| message["method"].is_null());
        let mut answers = answers.filter(|answer| !(refused && answer["id"].is_null()));
        match answers.next() {
            None => Ok(()),
            Some(_) => Err(self.failed("no answer to what asks for none", &said.describe())),
        }
    }

    /// Asks with this id, and the answer must have the same.
    ///
    /// # Errors
    /// When it has another one.
    pub async fn expect_id_kept(&mut self, id: &Value) -> StepResult {
        self.say(&request(id, "tools/list", json!({})), true)
            .await?;
        let said = self.said()?;
        match said.messages.iter().any(|message| message["id"] == *id) {
            true => Ok(()),
            false => Err(self.failed(format!("an answer with the id {id}"), &said.describe())),
        }
    }

    /// The call that carries an act, as a client words it.
    fn call_of(&self, act: &Act) -> StepResult<Value> {
        let adapter = &self.target.adapter;
        let (mapping, tool) = carrier(adapter, self.instance()?, act.operation)?;
        Ok(json!({ "name": tool, "arguments": mapping.arguments(&act.parameters) }))
    }

    /// Writes where no client would: before the connection is opened, or in a batch. What came
    /// of it in Vault must be what the client was told.
    ///
    /// # Errors
    /// When Vault has changed and no success was told; blocked when no time is worded so, or the scenario
    /// did not make one secret.
    pub async fn write_out_of_turn(&mut self, when: &str) -> StepResult {
        let in_batch = match when {
            "before the connection is opened" => false,
            "in a batch" => true,
            _ => return Err(Stop::blocked(format!("nobody writes {when:?}"))),
        };
        let value = self.canary("value that the agent writes", true);
        let act = Act::write(self.mount()?, &self.only_secret()?, "token", &value);
        let call = request(&json!(EARLY), "tools/call", self.call_of(&act)?);
        let before = self.snapshot().await?;
        let (connection, text) = match in_batch {
            true => (self.connection()?, format!("[{call}]")),
            false => {
                self.connect_again().await?;
                (self.further_connection()?, call)
            }
        };
        let (said, changed) = match connection.http() {
            Some(_) => {
                let said = connection.say(&text, false).await;
                (said, self.snapshot().await? != before)
            }
            None => {
                let mut changed = Ok(false);
                let settling = async { changed = self.has_changed(&before, connection).await };
                let said = connection.say_until(&text, settling).await;
                (said, changed?)
            }
        };
        self.disconnect().await?;
        let told = said.success().is_some();
        self.state_mut::<Talk>().said = Some(said);
        if changed && !told {
            let seen = format!("Vault has changed; {}", self.said()?.describe());
            return Err(self.failed("nothing changes, as no success was told", &seen));
        }
        Ok(())
    }

    /// Whether Vault has changed once the server had time to answer what was said out of turn. If Vault has changed, the
    /// answer is waited for: a server that tells of success does so, late or not.
    async fn has_changed(&self, before: &Snapshot, connection: &Connection) -> StepResult<bool> {
        let moment = connection.ping_for_a_moment().await;
        self.wait_for_answer(EARLY, moment).await?;
        let changed = self.snapshot().await? != *before;
        if changed {
            self.wait_for_answer(EARLY, LATE).await?;
        }
        Ok(changed)
    }

    /// Waits this long until the request with this id is answered, if only by an error that names no id.
    async fn wait_for_answer(&self, id: &str, patience: Duration) -> StepResult {
        let begun = Instant::now();
        let answers = |message: &Value| {
            message["id"] == id || (message["id"].is_null() && message["method"].is_null())
        };
        while begun.elapsed() < patience && !self.messages_of_target(false)?.iter().any(answers) {
            sleep(GLANCE).await;
        }
        Ok(())
    }

    async fn say_in_batch(&self, call: &str) -> StepResult<Said> {
        Ok(self.connection()?.say(&format!("[{call}]"), false).await)
    }

    /// Calls a tool in a batch of that one call, and keeps what came of it.
    ///
    /// # Errors
    /// When there is no connection.
    pub(in crate::scene) async fn call_in_batch(&mut self, mut params: Value) -> StepResult {
        let revision = self.planned.revision;
        if revision.era() == Era::Stateless {
            params["_meta"] = meta(revision);
        }
        let call = request(&json!("batch-1"), "tools/call", params);
        let said = self.say_in_batch(&call).await?;
        self.unanswered |= said.problem.is_some();
        self.state_mut::<Talk>().batches.push(said);
        Ok(())
    }

    /// What a call in a batch was told that was told of success.
    pub(in crate::scene) fn success_in_batch(&self) -> Option<String> {
        let told = |said: &&Said| said.success().is_some();
        self.state::<Talk>()
            .batches
            .iter()
            .find(told)
            .map(Said::describe)
    }

    // Cancellation.

    /// Cancels what cannot be cancelled: a call that there is not, one that has ended, and
    /// nothing at all.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn cancel_nothing(&mut self) -> StepResult {
        const METHOD: &str = "notifications/cancelled";
        let ended = json!("ended-1");
        self.say(&request(&ended, "tools/list", json!({})), true)
            .await?;
        let connection = self.connection()?;
        for params in [
            json!({ "requestId": 999_999, "reason": "no longer needed" }),
            json!({ "requestId": ended }),
            json!({ "requestId": { "no": "id" } }),
            json!({}),
        ] {
            connection.notify(METHOD, params).await;
        }
        Ok(())
    }

    /// Cancels a reading that Vault keeps waiting until the server has answered another call that came after
    /// that.
    ///
    /// # Errors
    /// When the other call is not answered; blocked where the reading does not get to Vault. Not applicable where
    /// there are no sessions: nothing joins the cancellation and the call, as another client may have a call of
    /// the same id.
    pub async fn cancel_slow_reading(&mut self, path: &str) -> StepResult {
        self.need_session()?;
        let act = Act::read(self.mount()?, path);
        self.let_know(&act);
        let id = json!("slow-1");
        let slow = request(&id, "tools/call", self.call_of(&act)?);
        let (catch, caught) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        let springs = Springs::First(Box::pin(async move {
            // Who waits for either may have given up.
            let _ = catch.send(());
            let _ = timeout(HELD, released).await;
        }));
        let part = format!("{}/", self.mount()?);
        self.tap()?.set(Trap::new([Method::GET], part, springs));
        let connection = self.connection()?;
        let mut outcome = Ok(());
        let cancelling = async {
            if !matches!(timeout(HELD, caught).await, Ok(Ok(()))) {
                outcome = Err(Stop::blocked(format!(
                    "the reading that was to be cancelled did not get to Vault within {} s",
                    HELD.as_secs()
                )));
                return;
            }
            let params = json!({ "requestId": id, "reason": "no longer needed" });
            connection.notify("notifications/cancelled", params).await;
            let other = connection.request("tools/list", json!({})).await;
            let _ = release.send(());
            if let Err(why) = other {
                let seen = format!("another call was not answered: {why}");
                outcome = Err(self.failed("what was not cancelled goes on", &seen));
                return;
            }
            // An answer to the first would come before that to a second one, or soon after.
            let begun = Instant::now();
            outcome = self.call_on(connection, &act).await.map(drop);
            sleep(MOMENT.max(begun.elapsed())).await;
        };
        let said = connection.say_until(&slow, cancelling).await;
        self.unanswered |= outcome.is_err();
        self.heard(said);
        outcome
    }

    /// What was cancelled must not have been answered.
    ///
    /// # Errors
    /// When it was.
    pub fn expect_cancelled(&self) -> StepResult {
        let said = self.said()?;
        match said
            .messages
            .iter()
            .any(|message| message["id"] == "slow-1")
        {
            true => Err(self.failed("no answer to what was cancelled", &said.describe())),
            false => Ok(()),
        }
    }

    // Progress.

    /// Lists everything twice, the second time with a token for progress.
    ///
    /// # Errors
    /// When that is not answered.
    pub async fn list_all_with_progress(&mut self) -> StepResult {
        let act = Act::list_all(self.mount()?, "");
        let mut call = self.call_of(&act)?;
        self.note_progress_of(call.clone()).await?;
        call["_meta"] = json!({ "progressToken": PROGRESS });
        self.note_progress_of(call).await
    }

    /// Notes what progress is told during a call, and after it.
    async fn note_progress_of(&mut self, call: Value) -> StepResult {
        let wished = call["_meta"].is_object();
        let before = self.messages_of_target(false)?.len();
        if let Err(why) = self.request("tools/call", call).await? {
            return Err(self.failed("an answer", &why.to_string()));
        }
        // What is told after the answer arrives before that of the next request.
        self.expect_next_call_works().await?;
        let mut late = false;
        for mut message in self.messages_of_target(false)?.into_iter().skip(before) {
            if message["method"] == "notifications/progress" {
                let params = message["params"].take();
                self.state_mut::<Talk>().progress.push(Progress {
                    wished,
                    late,
                    params,
                });
            } else {
                late |= message["method"].is_null();
            }
        }
        Ok(())
    }

    /// Progress must have been told only where it was wished for, by its token, rising, and
    /// not after the answer.
    ///
    /// # Errors
    /// When it was told in another way.
    pub fn expect_progress_as_wished(&self) -> StepResult {
        let mut last = f64::NEG_INFINITY;
        for Progress {
            wished,
            late,
            params,
        } in &self.state::<Talk>().progress
        {
            let progress = params["progress"].as_f64().unwrap_or(f64::NEG_INFINITY);
            if !wished || *late || params["progressToken"] != PROGRESS || progress <= last {
                let expected = "progress of the token that was sent, rising, before the answer";
                return Err(self.failed(expected, &params.to_string()));
            }
            last = progress;
        }
        Ok(())
    }

    /// Progress must have been told.
    ///
    /// # Errors
    /// When it was not.
    pub fn expect_progress(&self) -> StepResult {
        match self
            .state::<Talk>()
            .progress
            .iter()
            .any(|progress| progress.wished)
        {
            true => Ok(()),
            false => Err(self.failed("progress of a long list, whose token was sent", "none")),
        }
    }

    /// The target asked for nothing, and told nothing, that was not agreed on at the
    /// beginning: the suite offers a server nothing.
    ///
    /// # Errors
    /// When it did.
    pub fn expect_only_agreed(&self) -> StepResult {
        let greeting = self.greeting()?;
        let offers = &greeting["capabilities"];
        for message in self.messages_of_target(true)? {
            let Some(method) = message["method"].as_str() else {
                continue;
            };
            let agreed = match method {
                "ping" | "notifications/progress" | "notifications/cancelled" => true,
                "notifications/message" => offers["logging"].is_object(),
                _ => match method
                    .strip_prefix("notifications/")
                    .and_then(|m| m.split_once('/'))
                {
                    Some((what, "list_changed")) => offers[what]["listChanged"] == true,
                    Some((what, "updated")) => offers[what]["subscribe"] == true,
                    _ => false,
                },
            };
            if !agreed {
                let expected = "nothing but what was agreed on";
                return Err(self.failed(expected, &message.to_string()));
            }
        }
        Ok(())
    }
}
