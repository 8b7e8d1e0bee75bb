//! One user's files as a tree of nodes with ids, entity tags and times.
//!
//! Knows paths and bytes only. What HTTP makes of it is in [`super::dav`], what the Notes app
//! makes of it in [`super::notes`].

mod bin;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

pub(super) use self::bin::Trashed;
use super::text::digest;
use super::xml::Name;

/// The source of file ids, entity tags and random-looking names.
pub(super) struct Ids {
    last: u64,
}

impl Default for Ids {
    fn default() -> Self {
        // A server that has been in use: low ids belong to system files.
        Self { last: 70 }
    }
}

impl Ids {
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// An entity tag that no node had before.
    pub(super) fn etag(&mut self) -> String {
        digest(format!("etag {}", self.next()).as_bytes())
    }
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Folder,
    File(Bytes),
}

/// A file or folder.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) kind: Kind,
    /// Without quotes.
    pub(super) etag: String,
    /// Unix seconds; a client may set it.
    pub(super) modified: u64,
    /// Unix seconds of the last change of any kind.
    pub(super) changed: u64,
    /// Unix seconds when it was made.
    pub(super) created: u64,
    pub(super) favorite: bool,
    /// As in `OC-Checksum`.
    pub(super) checksum: Option<String>,
    /// Properties that clients set and nobody interprets.
    pub(super) properties: BTreeMap<Name, String>,
}

impl Node {
    fn new(kind: Kind, now: u64, ids: &mut Ids) -> Self {
        Self {
            id: ids.next(),
            kind,
            etag: ids.etag(),
            modified: now,
            changed: now,
            created: now,
            favorite: false,
            checksum: None,
            properties: BTreeMap::new(),
        }
    }

    pub(super) fn is_folder(&self) -> bool {
        matches!(self.kind, Kind::Folder)
    }

    /// The content of a file.
    pub(super) fn content(&self) -> Option<&Bytes> {
        match &self.kind {
            Kind::File(content) => Some(content),
            Kind::Folder => None,
        }
    }
}

/// A user's home; the empty path is its root.
pub(super) struct Tree {
    nodes: BTreeMap<Vec<String>, Node>,
    locked: BTreeSet<Vec<String>>,
    bin: Vec<Trashed>,
}

impl Tree {
    pub(super) fn new(ids: &mut Ids) -> Self {
        let root = Node::new(Kind::Folder, 0, ids);
        Self {
            nodes: BTreeMap::from([(Vec::new(), root)]),
            locked: BTreeSet::new(),
            bin: Vec::new(),
        }
    }

    pub(super) fn get(&self, path: &[String]) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// A node to change; call [`Self::touch`] afterwards when its entity tag has to change.
    pub(super) fn get_mut(&mut self, path: &[String]) -> Option<&mut Node> {
        self.nodes.get_mut(path)
    }

    /// The node with this id.
    pub(super) fn by_id(&self, id: u64) -> Option<(&Vec<String>, &Node)> {
        self.nodes.iter().find(|(_, node)| node.id == id)
    }

    /// The node and everything below it, parents first.
    pub(super) fn subtree(&self, path: &[String]) -> impl Iterator<Item = (&Vec<String>, &Node)> {
        let path = path.to_vec();
        self.nodes
            .range(path.clone()..)
            .take_while(move |(key, _)| key.starts_with(&path))
    }

    /// The direct members of a folder.
    pub(super) fn children(&self, path: &[String]) -> impl Iterator<Item = (&Vec<String>, &Node)> {
        let depth = path.len() + 1;
        self.subtree(path)
            .filter(move |(key, _)| key.len() == depth)
    }

    /// Bytes of a file, or of everything in a folder.
    pub(super) fn size(&self, path: &[String]) -> u64 {
        self.subtree(path)
            .filter_map(|(_, node)| node.content())
            .map(|content| content.len() as u64)
            .sum()
    }

    /// The shortest prefix of `path` that does not exist.
    pub(super) fn first_missing<'a>(&self, path: &'a [String]) -> Option<&'a [String]> {
        (1..=path.len())
            .filter_map(|length| path.get(..length))
            .find(|prefix| !self.nodes.contains_key(*prefix))
    }

    /// Writes a file whose parent exists; keeps the id of one that is there.
    pub(super) fn write(&mut self, path: &[String], content: Bytes, now: u64, ids: &mut Ids) {
        if let Some(node) = self.nodes.get_mut(path) {
            node.kind = Kind::File(content);
            node.checksum = None;
            node.modified = now;
        } else {
            let node = Node::new(Kind::File(content), now, ids);
            self.nodes.insert(path.to_vec(), node);
        }
        self.touch(path, now, ids);
    }

    /// Writes a file and makes the folders above it.
    pub(super) fn write_with_parents(
        &mut self,
        path: &[String],
        content: Bytes,
        now: u64,
        ids: &mut Ids,
    ) {
        if let Some((_, parent)) = path.split_last() {
            self.make_folders(parent, now, ids);
        }
        self.write(path, content, now, ids);
    }

    /// Makes a folder and the folders above it, as far as they are missing.
    pub(super) fn make_folders(&mut self, path: &[String], now: u64, ids: &mut Ids) {
        while let Some(missing) = self.first_missing(path) {
            let missing = missing.to_vec();
            let node = Node::new(Kind::Folder, now, ids);
            self.nodes.insert(missing.clone(), node);
            self.touch(&missing, now, ids);
        }
    }

    /// Removes a node and everything below it for good; what users delete goes to the trash bin.
    fn remove(&mut self, path: &[String], now: u64, ids: &mut Ids) {
        let gone: Vec<Vec<String>> = self.subtree(path).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.nodes.remove(&key);
            self.locked.remove(&key);
        }
        if let Some((_, parent)) = path.split_last() {
            self.touch(parent, now, ids);
        }
    }

    /// Moves a node with everything below it; ids and entity tags stay.
    pub(super) fn rename(&mut self, from: &[String], to: &[String], now: u64, ids: &mut Ids) {
        let moved: Vec<(Vec<String>, Node)> = self
            .subtree(from)
            .map(|(key, node)| (transplanted(key, from, to), node.clone()))
            .collect();
        self.remove(from, now, ids);
        for (key, mut node) in moved {
            node.changed = now;
            self.nodes.insert(key, node);
        }
        if let Some((_, parent)) = to.split_last() {
            self.touch(parent, now, ids);
        }
    }

    /// Copies a node with everything below it under new ids; entity tags go along, as there.
    pub(super) fn copy(&mut self, from: &[String], to: &[String], now: u64, ids: &mut Ids) {
        let copies: Vec<(Vec<String>, Node)> = self
            .subtree(from)
            .map(|(key, node)| {
                let mut copy = Node::new(node.kind.clone(), now, ids);
                copy.etag.clone_from(&node.etag);
                copy.properties.clone_from(&node.properties);
                (transplanted(key, from, to), copy)
            })
            .collect();
        self.nodes.extend(copies);
        if let Some((_, parent)) = to.split_last() {
            self.touch(parent, now, ids);
        }
    }

    /// Gives a node, if it is there, and all folders above it new entity tags.
    pub(super) fn touch(&mut self, path: &[String], now: u64, ids: &mut Ids) {
        for length in (0..=path.len()).rev() {
            let Some(node) = path.get(..length).and_then(|key| self.nodes.get_mut(key)) else {
                continue;
            };
            node.etag = ids.etag();
            node.changed = now;
            if node.is_folder() {
                // Folder tags are shorter: Nextcloud makes them with `uniqid`.
                node.etag.truncate(13);
                node.modified = now;
            }
        }
    }

    /// Locks a file the way a running transaction does, or lets it go.
    pub(super) fn set_locked(&mut self, path: &[String], locked: bool) {
        if locked {
            self.locked.insert(path.to_vec());
        } else {
            self.locked.remove(path);
        }
    }

    /// The locked node at or below `path`, if any.
    pub(super) fn locked_within(&self, path: &[String]) -> Option<&Vec<String>> {
        self.locked.iter().find(|key| key.starts_with(path))
    }
}

fn transplanted(key: &[String], from: &[String], to: &[String]) -> Vec<String> {
    let below = key.get(from.len()..).unwrap_or_default();
    to.iter().chain(below).cloned().collect()
}
