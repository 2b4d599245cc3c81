//! Every example of the guide.

use std::collections::BTreeSet;

/// The fenced blocks that are compiled as doctests of the crate stand in the guide; here only that
/// there are some, so that a renamed fence does not silence them.
#[test]
fn the_guide_has_examples() {
    let guide = include_str!("../../../../docs/guide/layers.md");
    let fences: BTreeSet<_> = guide.lines().filter(|line| line.starts_with("```")).collect();
    assert_eq!(fences, BTreeSet::from(["```", "```rust"]));
    assert!(guide.matches("```rust").count() >= 5);
}
