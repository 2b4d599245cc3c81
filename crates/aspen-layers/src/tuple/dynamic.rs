//! Tuples put together at run time.

use std::fmt;

use super::Element;

/// Any number of elements of any types. It compares as its packed bytes do.
///
/// ```
/// use aspen_layers::tuple::{Element, Tuple};
///
/// let tuple = Tuple::new().with("orders").with(7).with(Element::Null);
/// assert_eq!(tuple.to_string(), r#"("orders", 7, null)"#);
/// assert!(tuple < Tuple::new().with("orders").with(8));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tuple(Vec<Element>);

impl Tuple {
    /// The tuple of no elements.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The tuple with one more element.
    pub fn with(mut self, element: impl Into<Element>) -> Self {
        self.push(element);
        self
    }

    /// Appends an element.
    pub fn push(&mut self, element: impl Into<Element>) {
        self.0.push(element.into());
    }

    /// The elements.
    pub fn elements(&self) -> &[Element] {
        &self.0
    }

    /// The elements, without copying.
    pub fn into_elements(self) -> Vec<Element> {
        self.0
    }
}

impl FromIterator<Element> for Tuple {
    fn from_iter<T: IntoIterator<Item = Element>>(elements: T) -> Self {
        Self(elements.into_iter().collect())
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (at, element) in self.0.iter().enumerate() {
            write!(f, "{}{element}", if at == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}
