//! XML with namespaces, as much as WebDAV needs: a tree, a parser and a writer.

use std::collections::BTreeMap;

use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

pub(super) const DAV: &str = "DAV:";
pub(super) const SABRE: &str = "http://sabredav.org/ns";
pub(super) const OWNCLOUD: &str = "http://owncloud.org/ns";
pub(super) const NEXTCLOUD: &str = "http://nextcloud.org/ns";

/// Prefixes that Nextcloud declares on every multistatus.
const ALWAYS: [(&str, &str); 4] = [
    ("d", DAV),
    ("s", SABRE),
    ("oc", OWNCLOUD),
    ("nc", NEXTCLOUD),
];
/// Prefixes that it declares when something uses them.
const WHEN_USED: [(&str, &str); 3] = [
    ("cal", "urn:ietf:params:xml:ns:caldav"),
    ("cs", "http://calendarserver.org/ns/"),
    ("card", "urn:ietf:params:xml:ns:carddav"),
];

/// An expanded name: namespace and local part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// The namespace URI, empty for none.
    pub(super) ns: String,
    /// The local part.
    pub(super) local: String,
}

impl Name {
    /// A name in a namespace.
    #[must_use]
    pub(super) fn new(ns: &str, local: &str) -> Self {
        Self {
            ns: ns.to_owned(),
            local: local.to_owned(),
        }
    }

    /// The name in Clark notation, `{namespace}local`.
    #[must_use]
    pub(super) fn clark(&self) -> String {
        format!("{{{}}}{}", self.ns, self.local)
    }

    pub(super) fn is(&self, ns: &str, local: &str) -> bool {
        self.ns == ns && self.local == local
    }
}

/// An element with its text and children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name.
    pub(super) name: Name,
    /// Attributes by local name, in order.
    pub(super) attributes: Vec<(String, String)>,
    /// Its own text, without that of its children.
    pub(super) text: String,
    /// Its child elements.
    pub(super) children: Vec<Element>,
}

impl Element {
    /// An empty element.
    #[must_use]
    pub(super) fn new(ns: &str, local: &str) -> Self {
        Self::named(Name::new(ns, local))
    }

    /// An empty element with a ready name.
    #[must_use]
    pub(super) fn named(name: Name) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            text: String::new(),
            children: Vec::new(),
        }
    }

    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    pub(super) fn child(mut self, child: Element) -> Self {
        self.children.push(child);
        self
    }

    pub(super) fn with_children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children);
        self
    }

    /// The first child with this name.
    #[must_use]
    pub(super) fn find(&self, ns: &str, local: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name.is(ns, local))
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    /// The element and everything below it.
    pub(super) fn walk(&self, visit: &mut impl FnMut(&Element)) {
        visit(self);
        for child in &self.children {
            child.walk(visit);
        }
    }
}

/// Why a document is not well formed.
pub(super) type ParseError = String;

/// Reads a document.
///
/// # Errors
/// When it is not well formed; the text says where, roughly.
pub(super) fn parse(text: &str) -> Result<Element, ParseError> {
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => open.push(element(&reader, &start)?),
            Event::Empty(start) => {
                let element = element(&reader, &start)?;
                close(element, &mut open, &mut root)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or("an end tag without a start")?;
                close(element, &mut open, &mut root)?;
            }
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(text) => append(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character = reference
                    .resolve_char_ref()
                    .map_err(|error| error.to_string())?;
                let text = match character {
                    Some(character) => character.to_string(),
                    None => {
                        quick_xml::escape::resolve_predefined_entity(&reference.xml10_content())
                            .ok_or("an entity that XML does not define")?
                            .to_owned()
                    }
                };
                append(&mut open, &text)?;
            }
            Event::DocType(_) => return Err("a document type is not allowed".to_owned()),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if open.is_empty() {
        root.ok_or_else(|| "no element".to_owned())
    } else {
        Err("an element that never ends".to_owned())
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, ParseError> {
    let (resolved, local) = reader.resolver().resolve_element(start.name());
    let ns = match resolved {
        ResolveResult::Bound(ns) => ns.as_ref().to_owned(),
        ResolveResult::Unbound => String::new(),
        ResolveResult::Unknown(prefix) => {
            return Err(format!("the prefix {prefix:?} is not declared"));
        }
    };
    let mut element = Element::new(&ns, local.as_ref());
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|error| error.to_string())?;
        element.attributes.push((
            attribute.key.local_name().as_ref().to_owned(),
            value.into_owned(),
        ));
    }
    Ok(element)
}

fn close(
    element: Element,
    open: &mut [Element],
    root: &mut Option<Element>,
) -> Result<(), ParseError> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err("a second root element".to_owned()),
    }
    Ok(())
}

fn append(open: &mut [Element], text: &str) -> Result<(), ParseError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("text outside of the root element".to_owned()),
    }
    Ok(())
}

/// Writes a document whose root declares the usual prefixes; others are declared where used.
pub(super) fn write(root: &Element) -> String {
    let mut used = Vec::new();
    root.walk(&mut |element| {
        if !used.contains(&element.name.ns) {
            used.push(element.name.ns.clone());
        }
    });
    let mut prefixes: BTreeMap<&str, &str> = BTreeMap::new();
    let mut declarations = String::new();
    let optional = WHEN_USED
        .iter()
        .filter(|(_, ns)| used.iter().any(|one| one == ns));
    for (prefix, ns) in ALWAYS.iter().chain(optional) {
        prefixes.insert(ns, prefix);
        declarations.extend([" xmlns:", prefix, "=\"", ns, "\""]);
    }
    let mut xml = String::from("<?xml version=\"1.0\"?>\n");
    write_element(&mut xml, root, &prefixes, &declarations);
    xml.push('\n');
    xml
}

fn write_element(
    xml: &mut String,
    element: &Element,
    prefixes: &BTreeMap<&str, &str>,
    declarations: &str,
) {
    let Name { ns, local } = &element.name;
    let (name, own) = match prefixes.get(ns.as_str()) {
        Some(prefix) => (format!("{prefix}:{local}"), String::new()),
        None if ns.is_empty() => (local.clone(), String::new()),
        None => (
            format!("x1:{local}"),
            format!(" xmlns:x1=\"{}\"", escape(ns.as_str())),
        ),
    };
    xml.extend(["<", &name, declarations, &own]);
    for (key, value) in &element.attributes {
        xml.extend([" ", key, "=\"", &escape(value.as_str()), "\""]);
    }
    if element.text.is_empty() && element.children.is_empty() {
        xml.push_str("/>");
        return;
    }
    xml.push('>');
    xml.push_str(&escape(element.text.as_str()));
    for child in &element.children {
        write_element(xml, child, prefixes, "");
    }
    xml.extend(["</", &name, ">"]);
}
