//! Keeps the panics of steps off the terminal: a step reports an error to cucumber by a panic, and the report already
//! contains it.
//!
//! Cucumber silences all panics while it runs, and then restores the hook that it found. If two runs in one process
//! overlap, the last one restores the silence of the other. A run that is dropped restores nothing.

use std::{
    panic::{self, PanicHookInfo},
    sync::Arc,
    thread,
};

use parking_lot::Mutex;

use crate::verdict::StepEnd;

type Hook = Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// The number of guards, and the hook before the first one.
static HELD: Mutex<Option<(usize, Hook)>> = Mutex::new(None);

/// While a guard exists, the panics that stop steps are not printed. All other panics are printed.
#[derive(Debug)]
pub(crate) struct PanicHookGuard(());

impl PanicHookGuard {
    /// Creates a guard.
    pub(crate) fn hold() -> Self {
        let mut held = HELD.lock();
        match held.as_mut() {
            Some((count, _)) => *count += 1,
            None => *held = Some((1, Arc::from(panic::take_hook()))),
        }
        drop(held);
        let quiet = Self(());
        quiet.renew();
        quiet
    }

    /// Sets the guard's hook again, after cucumber has silenced all panics.
    pub(crate) fn renew(&self) {
        if let Some((_, former)) = &*HELD.lock() {
            let former = Arc::clone(former);
            panic::set_hook(Box::new(move |info| {
                if !is_stop(info) {
                    former(info);
                }
            }));
        }
    }
}

impl Drop for PanicHookGuard {
    fn drop(&mut self) {
        let mut held = HELD.lock();
        let Some((count, former)) = held.as_mut() else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        let former = Arc::clone(former);
        *held = None;
        // While a thread panics, the hook must not be changed. The guard's hook then stays; it prints all other panics.
        if !thread::panicking() {
            panic::set_hook(Box::new(move |info| former(info)));
        }
    }
}

fn is_stop(info: &PanicHookInfo<'_>) -> bool {
    let said = info.payload_as_str();
    said.is_some_and(|said| StepEnd::said_by(said).is_some())
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    static PRINTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn stops() {
        panics(StepEnd::failed("a denial", "a value").to_string());
    }

    fn fails(what: &str) {
        panics(format!("quiet: {what}"));
    }

    fn panics(said: String) {
        let panicked = panic::catch_unwind(|| panic::panic_any(said));
        assert!(panicked.is_err());
    }

    #[test]
    fn stops_are_not_printed_and_all_else_is_whatever_cucumber_does_meanwhile() {
        let original: Hook = Arc::from(panic::take_hook());
        let beyond = Arc::clone(&original);
        panic::set_hook(Box::new(move |info| {
            let said = info.payload_as_str().unwrap_or_default();
            // Other tests may panic at the same time.
            match said.starts_with("quiet: ") || said.starts_with('{') {
                true => PRINTED.lock().push(said.to_owned()),
                false => beyond(info),
            }
        }));

        fails("before");
        let one = PanicHookGuard::hold();
        stops();
        fails("a fault of the suite");
        let of_cucumber = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let other = PanicHookGuard::hold();
        stops();
        fails("beside cucumber");
        drop(one);
        stops();
        fails("in the other run");
        panic::set_hook(of_cucumber);
        drop(other);
        fails("after both");

        panic::set_hook(Box::new(move |info| original(info)));
        let expected = [
            "before",
            "a fault of the suite",
            "beside cucumber",
            "in the other run",
            "after both",
        ];
        let expected = expected.map(|said| format!("quiet: {said}"));
        assert_eq!(*PRINTED.lock(), expected);
    }
}
