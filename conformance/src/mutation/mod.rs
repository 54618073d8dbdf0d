//! Mutants and variants: a conforming target made to misbehave in one way on the wire, or
//! made different but still conforming. A scenario that kills no mutant proves nothing.

pub mod aim;
pub mod definition;
pub mod matrix;
pub mod sabotage;
