//! What the steps of the profiles keep while one scenario runs, by its type.

use std::{any::Any, fmt, sync::OnceLock};

/// One value of each requested type, created on first use.
///
/// The list only grows, so that a value can be borrowed while others are created.
#[derive(Default)]
pub(super) struct States(OnceLock<Box<Node>>);

struct Node {
    value: Box<dyn Any + Send + Sync>,
    next: States,
}

/// Prints no state, because a state can contain secrets.
impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("States")
    }
}

impl States {
    /// The value of this type.
    pub(super) fn get<T: Default + Send + Sync + 'static>(&self) -> &T {
        let node = self.0.get_or_init(Node::of::<T>);
        match node.value.downcast_ref() {
            Some(value) => value,
            None => node.next.get(),
        }
    }

    /// The value of this type, mutable.
    #[expect(clippy::unwrap_used, reason = "the value is made first")]
    pub(super) fn get_mut<T: Default + Send + Sync + 'static>(&mut self) -> &mut T {
        self.get::<T>();
        self.find_mut().unwrap()
    }

    fn find_mut<T: 'static>(&mut self) -> Option<&mut T> {
        let node = self.0.get_mut()?;
        match node.value.is::<T>() {
            true => node.value.downcast_mut(),
            false => node.next.find_mut(),
        }
    }
}

impl Node {
    fn of<T: Default + Send + Sync + 'static>() -> Box<Self> {
        Box::new(Self {
            value: Box::<T>::default(),
            next: States::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::States;

    #[derive(Default)]
    struct One(u8);

    #[derive(Default)]
    struct Other(Vec<u8>);

    #[test]
    fn each_type_has_a_value_of_its_own_that_begins_as_its_default() {
        let mut states = States::default();
        states.get_mut::<One>().0 = 7;
        states.get_mut::<Other>().0.push(1);
        assert_eq!(states.get::<One>().0, 7);
        assert_eq!(states.get::<Other>().0, [1]);
    }

    #[test]
    fn a_value_can_be_lent_while_another_is_made() {
        let states = States::default();
        let one = states.get::<One>();
        let other = states.get::<Other>();
        assert_eq!((one.0, other.0.len()), (0, 0));
    }
}
