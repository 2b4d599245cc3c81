//! What can be packed.

use bytes::Bytes;

use super::{Element, Integer, PackError, Packer, Tuple, TupleVersionstamp, Uuid};

/// A value that is one element of a tuple.
///
/// Implemented by integers, floats, `bool`, text, byte strings (`[u8]`, `Vec<u8>`, `Bytes`),
/// [`Uuid`], [`TupleVersionstamp`], [`Element`], `Option` (none is null), and tuples, which nest.
pub trait PackElement {
    /// Appends the element.
    ///
    /// # Errors
    /// When it nests too deep.
    fn pack_element(&self, packer: &mut Packer) -> Result<(), PackError>;
}

/// A value that is a whole tuple: a Rust tuple of up to 12 elements, or a [`Tuple`].
pub trait PackTuple {
    /// Appends the elements one after another.
    ///
    /// # Errors
    /// When one of them nests too deep.
    fn pack_elements(&self, packer: &mut Packer) -> Result<(), PackError>;
}

macro_rules! leaves {
    ($($type:ty: $value:ident, $packer:ident => $append:expr;)*) => {
        $(impl PackElement for $type {
            fn pack_element(&self, $packer: &mut Packer) -> Result<(), PackError> {
                let $value = self;
                $append;
                Ok(())
            }
        })*
    };
}

leaves! {
    i8: it, packer => packer.integer(&(*it).into());
    i16: it, packer => packer.integer(&(*it).into());
    i32: it, packer => packer.integer(&(*it).into());
    i64: it, packer => packer.integer(&(*it).into());
    i128: it, packer => packer.integer(&(*it).into());
    u8: it, packer => packer.integer(&(*it).into());
    u16: it, packer => packer.integer(&(*it).into());
    u32: it, packer => packer.integer(&(*it).into());
    u64: it, packer => packer.integer(&(*it).into());
    u128: it, packer => packer.integer(&(*it).into());
    Integer: it, packer => packer.integer(it);
    f32: it, packer => packer.float(*it);
    f64: it, packer => packer.double(*it);
    bool: it, packer => packer.bool(*it);
    str: it, packer => packer.string(it);
    String: it, packer => packer.string(it);
    [u8]: it, packer => packer.bytes(it);
    Vec<u8>: it, packer => packer.bytes(it);
    Bytes: it, packer => packer.bytes(it);
    Uuid: it, packer => packer.uuid(it);
    TupleVersionstamp: it, packer => packer.versionstamp(*it);
}

impl<const N: usize> PackElement for [u8; N] {
    fn pack_element(&self, packer: &mut Packer) -> Result<(), PackError> {
        self.as_slice().pack_element(packer)
    }
}

impl<T: PackElement + ?Sized> PackElement for &T {
    fn pack_element(&self, packer: &mut Packer) -> Result<(), PackError> {
        (**self).pack_element(packer)
    }
}

impl<T: PackElement> PackElement for Option<T> {
    fn pack_element(&self, packer: &mut Packer) -> Result<(), PackError> {
        match self {
            Some(value) => value.pack_element(packer)?,
            None => packer.null(),
        }
        Ok(())
    }
}

impl PackElement for Element {
    fn pack_element(&self, packer: &mut Packer) -> Result<(), PackError> {
        match self {
            Self::Null => packer.null(),
            Self::Bytes(bytes) => packer.bytes(bytes),
            Self::String(text) => packer.string(text),
            Self::Tuple(tuple) => return tuple.pack_element(packer),
            Self::Integer(integer) => packer.integer(integer),
            Self::Float(float) => packer.float(*float),
            Self::Double(double) => packer.double(*double),
            Self::Bool(truth) => packer.bool(*truth),
            Self::Uuid(uuid) => packer.uuid(uuid),
            Self::Versionstamp(stamp) => packer.versionstamp(*stamp),
        }
        Ok(())
    }
}

impl PackElement for Tuple {
    fn pack_element(&self, packer: &mut Packer) -> Result<(), PackError> {
        packer.nested(|packer| self.pack_elements(packer))
    }
}

impl PackTuple for Tuple {
    fn pack_elements(&self, packer: &mut Packer) -> Result<(), PackError> {
        self.elements().iter().try_for_each(|element| element.pack_element(packer))
    }
}

impl<T: PackTuple + ?Sized> PackTuple for &T {
    fn pack_elements(&self, packer: &mut Packer) -> Result<(), PackError> {
        (**self).pack_elements(packer)
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {
        $(
            impl<$($name: PackElement),*> PackTuple for ($($name,)*) {
                #[allow(non_snake_case, unused_variables)]
                fn pack_elements(&self, packer: &mut Packer) -> Result<(), PackError> {
                    let ($($name,)*) = self;
                    $($name.pack_element(packer)?;)*
                    Ok(())
                }
            }

            impl<$($name: PackElement),*> PackElement for ($($name,)*) {
                fn pack_element(&self, packer: &mut Packer) -> Result<(), PackError> {
                    packer.nested(|packer| self.pack_elements(packer))
                }
            }
        )*
    };
}

tuples! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
    (A B C D E F G H I) (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L)
}
