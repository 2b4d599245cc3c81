//! A list that many readers hold at once.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A part of a list that is shared by whoever holds it or other parts of it. Copies and parts copy
/// no element; the whole list is kept as long as anyone holds a part.
pub struct SharedSlice<T> {
    all: Arc<[T]>,
    part: Range<usize>,
}

impl<T> SharedSlice<T> {
    /// A part of this part, by the places in it. Places behind its end are cut off.
    pub fn slice(&self, places: Range<usize>) -> Self {
        let end = places.end.min(self.len());
        let start = places.start.min(end);
        let part = self.part.start + start..self.part.start + end;
        Self { all: self.all.clone(), part }
    }

    /// Takes the first element off.
    pub(super) fn pop_first(&mut self) -> Option<T>
    where
        T: Clone,
    {
        let first = self.first().cloned()?;
        self.part.start += 1;
        Some(first)
    }
}

impl<T> Clone for SharedSlice<T> {
    fn clone(&self) -> Self {
        Self { all: self.all.clone(), part: self.part.clone() }
    }
}

impl<T> Default for SharedSlice<T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<T> Deref for SharedSlice<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // The part lies inside the list by construction.
        self.all.get(self.part.clone()).unwrap_or_default()
    }
}

impl<T> From<Vec<T>> for SharedSlice<T> {
    fn from(all: Vec<T>) -> Self {
        let part = 0..all.len();
        Self { all: all.into(), part }
    }
}

impl<T> FromIterator<T> for SharedSlice<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self::from(elements.into_iter().collect::<Vec<T>>())
    }
}

impl<'a, T> IntoIterator for &'a SharedSlice<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Yields copies, since others may hold the list.
impl<T: Clone> IntoIterator for SharedSlice<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

/// The elements of a [`SharedSlice`], one copy after the other.
#[derive(Debug)]
pub struct IntoIter<T>(SharedSlice<T>);

impl<T: Clone> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.pop_first()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl<T: Clone> ExactSizeIterator for IntoIter<T> {}

impl<T: fmt::Debug> fmt::Debug for SharedSlice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: PartialEq> PartialEq for SharedSlice<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for SharedSlice<T> {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_part_shares_the_elements() {
        let all: SharedSlice<String> =
            ["a", "b", "c", "d"].map(str::to_owned).into_iter().collect();
        let part = all.slice(1..9);
        assert_eq!(*part, ["b", "c", "d"].map(str::to_owned));
        assert!(std::ptr::eq(&raw const all[1], &raw const part[0]));
        assert_eq!(*part.slice(1..2), ["c".to_owned()]);
        assert!(part.slice(5..7).is_empty());
    }

    #[test]
    fn it_is_taken_apart_from_the_front() {
        let mut part = SharedSlice::from(vec![1, 2, 3]);
        assert_eq!(part.pop_first(), Some(1));
        assert_eq!(part.into_iter().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(SharedSlice::<u8>::default().pop_first(), None);
    }
}
