//! What was used of late, within a bound of memory: what was not used for longest is forgotten first.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::seal::Print;

/// Things by the keyed hash of whom they belong to.
pub struct Recent<T> {
    bound: usize,
    kept: Mutex<Kept<T>>,
}

/// Each with the number of its latest use.
struct Kept<T> {
    things: HashMap<Print, (Arc<T>, u64)>,
    uses: u64,
}

impl<T> fmt::Debug for Recent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

impl<T> Recent<T> {
    /// Nothing yet, and never more than so many.
    pub fn new(bound: usize) -> Self {
        let kept = Kept {
            things: HashMap::new(),
            uses: 0,
        };
        Self {
            bound,
            kept: Mutex::new(kept),
        }
    }

    /// What is kept, or else what is made now.
    pub fn find(&self, print: Print, make: impl FnOnce() -> T) -> Arc<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let uses = kept.uses;
        if let Some((thing, used)) = kept.things.get_mut(&print) {
            *used = uses;
            return Arc::clone(thing);
        }
        if kept.things.len() >= self.bound {
            let oldest = kept.things.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(print, _)| *print) {
                kept.things.remove(&oldest);
            }
        }
        let thing = Arc::new(make());
        kept.things.insert(print, (Arc::clone(&thing), uses));
        thing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(n: u8) -> Print {
        [n; 32]
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten_first() {
        let recent = Recent::new(3);
        let find = |n| recent.find(print(n), || n);
        let (first, second) = (find(1), find(2));
        for n in 3..100 {
            find(n);
            assert!(Arc::ptr_eq(&first, &find(1)));
            assert!(recent.kept.lock().unwrap().things.len() <= 3);
        }
        assert!(!Arc::ptr_eq(&second, &find(2)));
    }
}
