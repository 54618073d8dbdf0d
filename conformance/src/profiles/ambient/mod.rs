//! Requirements that apply to every scenario.

mod steps;
