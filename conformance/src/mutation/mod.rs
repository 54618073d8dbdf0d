//! Mutants and variants: a conforming target with one defect on the wire, or one that differs but still conforms. A
//! scenario that kills no mutant proves nothing.

pub mod aim;
pub mod definition;
pub mod matrix;
pub mod sabotage;
