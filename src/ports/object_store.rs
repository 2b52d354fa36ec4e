//! The store of the objects of OSIS scripts: texts with an id, on a shelf for each type in each context, found by the
//! values of their fields.

use async_trait::async_trait;

use crate::ports::store_fault::store_error;

store_error! {
    /// Error of a call to the object store.
    ObjectStoreError, "the object store"
}

/// Bytes of one object's text.
pub const MAX_OBJECT_BYTES: usize = 1024 * 1024;
/// Bytes of an id, of the name of a type, and of the name of a field.
pub const MAX_NAME_BYTES: usize = 128;
/// Fields by which one object can be found.
pub const MAX_FIELDS: usize = 64;
/// Objects on one shelf.
pub const MAX_OBJECTS: usize = 100_000;

/// The objects of one type in one context. Two contexts never see each other's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shelf {
    /// Context of the objects.
    pub context: String,
    /// Their type.
    pub kind: String,
}

/// An object to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The object itself; the store does not look into it.
    pub text: String,
    /// Names and values by which the object is found, no name twice.
    pub fields: Vec<(String, String)>,
}

/// An object as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The object itself.
    pub text: String,
    /// 1 for a new one, and one more with each write.
    pub revision: u64,
}

/// Result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Written; the object has this revision now.
    Written(u64),
    /// Not written: the object has this revision (0 when there is none), which is not the expected one.
    Conflict(u64),
    /// Not written: there are [`MAX_OBJECTS`] on this shelf.
    Full,
}

/// Keeps objects. Each operation is one atomic step.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Writes an object; with `expected`, only if it has this revision, 0 meaning that it must not exist.
    async fn put(
        &self,
        shelf: &Shelf,
        id: &str,
        content: &Content,
        expected: Option<u64>,
    ) -> Result<Put, ObjectStoreError>;

    /// Reads an object.
    async fn get(&self, shelf: &Shelf, id: &str) -> Result<Option<Object>, ObjectStoreError>;

    /// Removes an object; false when there was none.
    async fn delete(&self, shelf: &Shelf, id: &str) -> Result<bool, ObjectStoreError>;

    /// The ids of all objects on the shelf, in order.
    async fn list(&self, shelf: &Shelf) -> Result<Vec<String>, ObjectStoreError>;

    /// The ids of the objects whose field holds this value, in order.
    async fn find(&self, shelf: &Shelf, field: &str, value: &str) -> Result<Vec<String>, ObjectStoreError>;
}
