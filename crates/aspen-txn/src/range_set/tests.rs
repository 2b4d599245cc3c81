use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Every key of a world of one-byte keys that a range set holds.
fn members(set: &RangeSet) -> BTreeSet<u8> {
    (0..=20).filter(|byte| set.contains(&[*byte])).collect()
}

fn range() -> impl Strategy<Value = KeyRange> {
    (0u8..20, proptest::option::weighted(0.9, 0u8..20)).prop_map(|(start, end)| KeyRange {
        start: vec![start].into(),
        end: end.map(|end| vec![end].into()),
    })
}

fn inside(range: &KeyRange) -> BTreeSet<u8> {
    (0..=20).filter(|byte| range.contains(&[*byte])).collect()
}

proptest! {
    #[test]
    fn a_set_holds_what_was_inserted(ranges in vec(range(), 0..8), asked in range()) {
        let mut set = RangeSet::default();
        let mut model = BTreeSet::new();
        for range in &ranges {
            set.insert(range.clone());
            model.extend(inside(range));
        }
        prop_assert_eq!(members(&set), model.clone());
        let kept: Vec<_> = set.iter().collect();
        prop_assert_eq!(kept.len(), set.len());
        for pair in kept.windows(2) {
            prop_assert!(pair[0].end.as_ref().is_some_and(|end| *end < pair[1].start));
        }
        let bytes: usize = kept.iter().map(|it| range_bytes(&it.start, it.end.as_ref())).sum();
        prop_assert_eq!(set.len_bytes(), bytes);
        let gaps = set.gaps(&asked);
        prop_assert!(gaps.iter().all(|gap| !gap.is_empty()));
        prop_assert!(gaps.windows(2).all(|pair| pair[0].start < pair[1].start));
        let left: BTreeSet<u8> = gaps.iter().flat_map(inside).collect();
        prop_assert_eq!(left, inside(&asked).difference(&model).copied().collect::<BTreeSet<_>>());
    }

    #[test]
    fn an_intersection_holds_what_both_hold(a in range(), b in range()) {
        let both: BTreeSet<u8> = inside(&a).intersection(&inside(&b)).copied().collect();
        prop_assert_eq!(inside(&intersection(&a, &b)), both);
    }
}
