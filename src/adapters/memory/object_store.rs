//! Objects in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::lock::Lock;
use crate::ports::object_store::{Content, MAX_OBJECTS, Object, ObjectStore, ObjectStoreError, Put, Shelf};

/// Objects with their revisions, by shelf and id.
type Shelves = BTreeMap<Shelf, BTreeMap<String, (Content, u64)>>;

/// A store of objects that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryObjectStore {
    shelves: Lock<Shelves>,
}

#[async_trait]
impl ObjectStore for MemoryObjectStore {
    async fn put(
        &self,
        shelf: &Shelf,
        id: &str,
        content: &Content,
        expected: Option<u64>,
    ) -> Result<Put, ObjectStoreError> {
        let mut shelves = self.shelves.lock();
        let objects = shelves.entry(shelf.clone()).or_default();
        let stored = objects.get(id).map_or(0, |(_, revision)| *revision);
        if expected.is_some_and(|expected| expected != stored) {
            return Ok(Put::Conflict(stored));
        }
        if stored == 0 && objects.len() >= MAX_OBJECTS {
            return Ok(Put::Full);
        }
        objects.insert(id.to_owned(), (content.clone(), stored + 1));
        Ok(Put::Written(stored + 1))
    }

    async fn get(&self, shelf: &Shelf, id: &str) -> Result<Option<Object>, ObjectStoreError> {
        let shelves = self.shelves.lock();
        let found = shelves.get(shelf).and_then(|objects| objects.get(id));
        Ok(found.map(|(content, revision)| Object { text: content.text.clone(), revision: *revision }))
    }

    async fn delete(&self, shelf: &Shelf, id: &str) -> Result<bool, ObjectStoreError> {
        Ok(self.shelves.lock().get_mut(shelf).and_then(|objects| objects.remove(id)).is_some())
    }

    async fn list(&self, shelf: &Shelf) -> Result<Vec<String>, ObjectStoreError> {
        let shelves = self.shelves.lock();
        Ok(shelves.get(shelf).map(|objects| objects.keys().cloned().collect()).unwrap_or_default())
    }

    async fn find(&self, shelf: &Shelf, field: &str, value: &str) -> Result<Vec<String>, ObjectStoreError> {
        let shelves = self.shelves.lock();
        let objects = shelves.get(shelf).into_iter().flatten();
        let holds =
            |content: &Content| content.fields.iter().any(|(name, held)| name == field && held == value);
        Ok(objects.filter(|(_, (content, _))| holds(content)).map(|(id, _)| id.clone()).collect())
    }
}
