//! A prefix of keys under which tuples are kept.

use aspen_core::{Key, KeyRange, StampPosition};
use bytes::Bytes;

use crate::tuple::{self, PackError, PackTuple, Packer, UnpackError, UnpackReason, UnpackTuple};

/// The keys that are a prefix and a packed tuple. Cheap to clone.
///
/// ```
/// use aspen_layers::subspace::Subspace;
///
/// let orders = Subspace::new("app/").nested(&("orders",))?;
/// let key = orders.pack(&("alice", 7))?;
/// assert_eq!(key.as_bytes(), b"app/\x02orders\0\x02alice\0\x15\x07");
/// assert!(orders.range_of(&("alice",))?.contains(key.as_bytes()));
///
/// let (customer, number): (String, u32) = orders.unpack(&key)?;
/// assert_eq!((customer.as_str(), number), ("alice", 7));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Partitions
///
/// The bytes of a key before its first `00` are its *partition*, which alone chooses its shard.
/// Packed tuples hold `00` bytes: at the end of text, bytes and nested tuples, for null, and here
/// and there within numbers. So
///
/// * the keys of a subspace whose prefix holds a `00` all live in one partition
///   ([`Subspace::partition`] names it): they are read by one shard and no other can help it. Any
///   subspace becomes so by [`Subspace::in_one_partition`];
/// * the keys of another spread over partitions by the elements that follow, up to the first that
///   brings a `00`. To spread by customer, let the customer be the first element; to spread by
///   order, begin with a number or a raw prefix, and put text after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subspace {
    prefix: Bytes,
}

impl Subspace {
    /// The keys that begin with these bytes, which may be none.
    pub fn new(prefix: impl Into<Bytes>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The subspace of the tuples that begin with this one.
    ///
    /// # Errors
    /// As [`tuple::pack`].
    pub fn nested<T: PackTuple + ?Sized>(&self, tuple: &T) -> Result<Self, PackError> {
        Ok(Self::new(self.packed(tuple)?.finish()?))
    }

    /// The bytes that its keys begin with.
    pub fn prefix(&self) -> &Bytes {
        &self.prefix
    }

    /// The key of a tuple; of the empty tuple, the prefix itself.
    ///
    /// # Errors
    /// As [`tuple::pack`]; names `KEY_BYTES_MAX` when the key is too long.
    pub fn pack<T: PackTuple + ?Sized>(&self, tuple: &T) -> Result<Key, PackError> {
        Ok(Key::new(self.packed(tuple)?.finish()?)?)
    }

    /// The key of a tuple that holds one incomplete versionstamp, and where the commit writes it:
    /// for [`aspen_txn::Transaction::set_versionstamped`].
    ///
    /// # Errors
    /// As [`tuple::pack_with_versionstamp`]; names `KEY_BYTES_MAX` when the key is too long.
    pub fn pack_with_versionstamp<T: PackTuple + ?Sized>(
        &self,
        tuple: &T,
    ) -> Result<(Key, StampPosition), PackError> {
        let (bytes, offset) = self.packed(tuple)?.finish_with_versionstamp()?;
        Ok((Key::new(bytes)?, StampPosition::Key(offset)))
    }

    /// The tuple of a key.
    ///
    /// # Errors
    /// When the key is not of this subspace, or not such a tuple; names the offset in the key.
    pub fn unpack<T: UnpackTuple>(&self, key: &Key) -> Result<T, UnpackError> {
        let bytes = key.as_bytes();
        if !self.contains(key) {
            let same = bytes.iter().zip(&self.prefix).take_while(|(found, own)| found == own);
            let reason = UnpackReason::OutsideSubspace;
            return Err(UnpackError { offset: same.count(), reason });
        }
        tuple::unpack_after(bytes, self.prefix.len())
    }

    /// Whether a key begins with the prefix.
    pub fn contains(&self, key: &Key) -> bool {
        key.as_bytes().starts_with(&self.prefix)
    }

    /// The keys of all tuples but the empty one.
    pub fn range(&self) -> KeyRange {
        tuple::range_after(&self.prefix)
    }

    /// The keys of all tuples that begin with this one and have more elements.
    ///
    /// # Errors
    /// As [`tuple::pack`].
    pub fn range_of<T: PackTuple + ?Sized>(&self, tuple: &T) -> Result<KeyRange, PackError> {
        Ok(tuple::range_after(&self.packed(tuple)?.finish()?))
    }

    /// Every key that begins with the prefix, tuple or not.
    pub fn all(&self) -> KeyRange {
        KeyRange::prefix(self.prefix.clone())
    }

    /// The partition in which all its keys live; `None` when they spread over several.
    pub fn partition(&self) -> Option<&[u8]> {
        let zero = self.prefix.iter().position(|byte| *byte == 0)?;
        Some(&self.prefix[..zero])
    }

    /// A subspace whose keys live in one partition: itself, if they do so already, otherwise that
    /// of the tuples that begin with null, whose code is the zero byte.
    pub fn in_one_partition(&self) -> Self {
        match self.partition() {
            Some(_) => self.clone(),
            None => Self::new([&self.prefix, &[0][..]].concat()),
        }
    }

    fn packed<T: PackTuple + ?Sized>(&self, tuple: &T) -> Result<Packer, PackError> {
        let mut packer = Packer::after(&self.prefix);
        tuple.pack_elements(&mut packer)?;
        Ok(packer)
    }
}
