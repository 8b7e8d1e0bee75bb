//! Notes as files: reading them out of a user's tree, and changing them there.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::server::Store;
use super::super::text::digest;
use super::super::tree::Tree;
use super::naming::{free_path, sanitised};

/// The file extensions that make a file a note.
const EXTENSIONS: [&str; 5] = ["md", "txt", "org", "markdown", "note"];

/// Why the app refuses.
#[derive(Debug)]
pub(super) enum NotesError {
    /// No such note of this user.
    Missing,
    /// `If-Match` names another version than this one.
    EtagMismatch(Box<Note>),
    /// The quota is used up.
    NoSpace,
    /// Somebody holds the file.
    Locked,
    /// A file is where a category folder would have to be.
    NotAFolder,
}

/// What a user set in the app.
#[derive(Clone, Debug)]
pub(super) struct NoteSettings {
    notes_path: String,
    file_suffix: String,
    note_mode: String,
}

impl Default for NoteSettings {
    fn default() -> Self {
        Self {
            notes_path: "Notes".to_owned(),
            file_suffix: ".md".to_owned(),
            note_mode: "rich".to_owned(),
        }
    }
}

impl NoteSettings {
    pub(super) fn json(&self) -> Value {
        json!({
            "notesPath": self.notes_path,
            "fileSuffix": self.file_suffix,
            "noteMode": self.note_mode,
        })
    }

    /// Takes over what is known; other keys are ignored.
    pub(super) fn change(&mut self, change: &Value) {
        for (key, field) in [
            ("notesPath", &mut self.notes_path),
            ("fileSuffix", &mut self.file_suffix),
            ("noteMode", &mut self.note_mode),
        ] {
            if let Some(text) = change.get(key).and_then(Value::as_str)
                && !text.is_empty()
            {
                text.clone_into(field);
            }
        }
    }

    fn folder(&self) -> Vec<String> {
        let segments = self.notes_path.split('/');
        segments
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// The settings of all users.
#[derive(Default)]
pub(super) struct AllSettings(HashMap<String, NoteSettings>);

impl AllSettings {
    pub(super) fn of(&mut self, uid: &str) -> &mut NoteSettings {
        self.0.entry(uid.to_owned()).or_default()
    }
}

/// A note as the API shows it.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) category: String,
    pub(super) content: String,
    pub(super) etag: String,
    /// Unix seconds of the last change of any kind; what lists are cut by.
    pub(super) last_update: u64,
    modified: u64,
    favorite: bool,
    internal_path: String,
}

impl Note {
    /// The note without the excluded members.
    pub(super) fn json(&self, exclude: &[&str]) -> Value {
        let mut all = json!({
            "id": self.id,
            "title": self.title,
            "modified": self.modified,
            "category": self.category,
            "favorite": self.favorite,
            "readonly": false,
            "internalPath": self.internal_path,
            "shareTypes": [],
            "isShared": false,
            "error": false,
            "errorType": "",
            "content": self.content,
            "etag": self.etag,
        });
        if let Some(object) = all.as_object_mut() {
            // The id and the entity tag cannot be excluded.
            object.retain(|key, _| {
                matches!(key.as_str(), "id" | "etag") || !exclude.contains(&key.as_str())
            });
        }
        all
    }

    pub(super) fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }
}

/// All notes of a user, by id.
pub(super) fn all(store: &mut Store, uid: &str, settings: &NoteSettings) -> Vec<Note> {
    let folder = settings.folder();
    let (tree, _) = store.files(uid);
    let mut notes: Vec<Note> = tree
        .subtree(&folder)
        .filter_map(|(path, _)| read(tree, &folder, path))
        .collect();
    notes.sort_by_key(|note| note.id);
    notes
}

/// One note of a user.
pub(super) fn get(
    store: &mut Store,
    uid: &str,
    settings: &NoteSettings,
    id: u64,
) -> Result<Note, NotesError> {
    let folder = settings.folder();
    let (tree, _) = store.files(uid);
    tree.by_id(id)
        .and_then(|(path, _)| read(tree, &folder, path))
        .ok_or(NotesError::Missing)
}

/// Makes an empty note and gives its id; a taken title gets a number.
pub(super) fn create(
    store: &mut Store,
    uid: &str,
    settings: &NoteSettings,
    title: &str,
    category: &str,
    now: u64,
) -> Result<u64, NotesError> {
    let parent = category_folder(settings, category);
    let (tree, ids) = store.files(uid);
    ensure_folder(tree, &parent)?;
    tree.make_folders(&parent, now, ids);
    let path = free_path(tree, &parent, title, &settings.file_suffix, None);
    tree.write(&path, Bytes::new(), now, ids);
    tree.get(&path)
        .map(|node| node.id)
        .ok_or(NotesError::Missing)
}

/// Replaces a note's content.
pub(super) fn write(
    store: &mut Store,
    uid: &str,
    settings: &NoteSettings,
    id: u64,
    content: &str,
    now: u64,
) -> Result<(), NotesError> {
    let path = unlocked_path(store, uid, settings, id)?;
    let (tree, ids) = store.files(uid);
    tree.write(&path, Bytes::from(content.to_owned()), now, ids);
    Ok(())
}

/// Gives a note another title or category.
pub(super) fn rename(
    store: &mut Store,
    uid: &str,
    settings: &NoteSettings,
    id: u64,
    title: &str,
    category: &str,
    now: u64,
) -> Result<(), NotesError> {
    let from = unlocked_path(store, uid, settings, id)?;
    let parent = category_folder(settings, category);
    let suffix = from
        .last()
        .and_then(|name| name.rfind('.').and_then(|dot| name.get(dot..)))
        .unwrap_or(&settings.file_suffix)
        .to_owned();
    let (tree, ids) = store.files(uid);
    ensure_folder(tree, &parent)?;
    tree.make_folders(&parent, now, ids);
    let to = free_path(tree, &parent, title, &suffix, Some(id));
    if from != to {
        tree.rename(&from, &to, now, ids);
        remove_empty_folders(store, uid, settings, &from, now);
    }
    Ok(())
}

pub(super) fn set_modified(store: &mut Store, uid: &str, id: u64, modified: u64) {
    change(store, uid, id, |node| node.modified = modified);
}

pub(super) fn set_favorite(store: &mut Store, uid: &str, id: u64, favorite: bool, now: u64) {
    change(store, uid, id, |node| {
        node.favorite = favorite;
        node.changed = now;
    });
}

/// Deletes a note and the category folders that it leaves empty.
pub(super) fn remove(
    store: &mut Store,
    uid: &str,
    settings: &NoteSettings,
    id: u64,
    now: u64,
) -> Result<(), NotesError> {
    let path = unlocked_path(store, uid, settings, id)?;
    let (tree, ids) = store.files(uid);
    tree.discard(&path, now, ids);
    remove_empty_folders(store, uid, settings, &path, now);
    Ok(())
}

/// Refuses content that does not fit; `replaced` bytes become free.
pub(super) fn check_space(
    store: &mut Store,
    uid: &str,
    required: u64,
    replaced: u64,
) -> Result<(), NotesError> {
    match store.free_space(uid) {
        Some(free) if free + replaced < required => Err(NotesError::NoSpace),
        Some(_) | None => Ok(()),
    }
}

fn change(store: &mut Store, uid: &str, id: u64, work: impl FnOnce(&mut super::super::tree::Node)) {
    let (tree, _) = store.files(uid);
    let path = tree.by_id(id).map(|(path, _)| path.clone());
    if let Some(node) = path.and_then(|path| tree.get_mut(&path)) {
        work(node);
    }
}

fn unlocked_path(
    store: &mut Store,
    uid: &str,
    settings: &NoteSettings,
    id: u64,
) -> Result<Vec<String>, NotesError> {
    get(store, uid, settings, id)?;
    let (tree, _) = store.files(uid);
    let (path, _) = tree.by_id(id).ok_or(NotesError::Missing)?;
    if tree.locked_within(path).is_some() {
        return Err(NotesError::Locked);
    }
    Ok(path.clone())
}

/// Reads a file as a note, when it is one.
fn read(tree: &Tree, folder: &[String], path: &[String]) -> Option<Note> {
    let below = path.strip_prefix(folder)?;
    let (name, categories) = below.split_last()?;
    let (title, extension) = name.rsplit_once('.')?;
    if !EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str())
        || categories.iter().any(|category| category.starts_with('.'))
    {
        return None;
    }
    let node = tree.get(path)?;
    let content = String::from_utf8_lossy(node.content()?).into_owned();
    let category = categories.join("/");
    let internal_path = format!("/{}", path.join("/"));
    let mut fingerprint = Map::new();
    for (key, value) in [
        ("path", json!(internal_path)),
        ("modified", json!(node.modified)),
        ("favorite", json!(node.favorite)),
        ("file", json!(node.etag)),
    ] {
        fingerprint.insert(key.to_owned(), value);
    }
    Some(Note {
        id: node.id,
        title: title.to_owned(),
        category,
        content,
        etag: digest(Value::Object(fingerprint).to_string().as_bytes()),
        last_update: node.changed,
        modified: node.modified,
        favorite: node.favorite,
        internal_path,
    })
}

fn category_folder(settings: &NoteSettings, category: &str) -> Vec<String> {
    let mut path = settings.folder();
    let segments = category.split('/').map(sanitised);
    path.extend(segments.filter(|segment| !segment.is_empty()));
    path
}

/// Refuses a category path that runs through a file.
fn ensure_folder(tree: &Tree, path: &[String]) -> Result<(), NotesError> {
    let blocked = (1..=path.len())
        .filter_map(|length| path.get(..length).and_then(|part| tree.get(part)))
        .any(|node| !node.is_folder());
    if blocked {
        Err(NotesError::NotAFolder)
    } else {
        Ok(())
    }
}

fn remove_empty_folders(
    store: &mut Store,
    uid: &str,
    settings: &NoteSettings,
    gone: &[String],
    now: u64,
) {
    let folder = settings.folder();
    let (tree, ids) = store.files(uid);
    let mut path = gone;
    while let Some((_, parent)) = path.split_last() {
        if parent.len() <= folder.len() || tree.children(parent).next().is_some() {
            return;
        }
        tree.discard(parent, now, ids);
        path = parent;
    }
}
