"""The commands about templates: one makes a version and posts nothing, one posts an entry by a version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zerosum.domain.errors import OF_BALANCES, DomainError, QuotaExceeded
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.chain import microseconds
from zerosum.domain.ledger.entryless import EntrylessCommand
from zerosum.domain.ledger.outcome import Event, Posted, Remembered, entry_posted
from zerosum.domain.ledger.post_entry import PostEntry
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.ledger.templates.template import (
    VERSION_MAX,
    Template,
    TemplateUse,
    event_id_of,
    label_of,
    template_genesis,
    template_hash,
)

TEMPLATE = "template"
"""A version of a template: known by its label, written once and never looked for by it."""

NEWEST_TEMPLATE = "newest_template"
"""The newest version of a name. It is written as a part of the versions."""

TEMPLATE_USE = "template_use"
"""By which template an entry was posted: known by the id of the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeTemplate(EntrylessCommand):
    """The next version of a name. Which that is is looked at under no lock: the database has the last word.

    `content` has been through `read_content`.
    """

    name: str
    content: str

    @property
    def _newest_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, NEWEST_TEMPLATE, self.name)

    def needs(self) -> tuple[Need, ...]:
        return (Need(self._newest_key, is_locked=False),)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        before = self._newest(book)
        version = 1 if before is None else before.version + 1
        if version > VERSION_MAX:
            raise QuotaExceeded(f"A template has at most {VERSION_MAX} versions.", pointer="/name")
        previous = template_genesis(self.ledger_id, self.name) if before is None else before.hash
        made = Template(
            ledger_id=self.ledger_id,
            name=self.name,
            version=version,
            content=self.content,
            created_at=posted_at,
            actor=self.actor,
            hash=template_hash(previous, version, posted_at, self.actor, self.content),
        )
        book.records[self._key_of(version)] = made
        remembered = Remembered(ResourceType.TEMPLATE, self.id, template_facts(made))
        return Posted(self.ledger_id, (), (_template_made(made),), made, remembered)

    def _newest(self, book: Book) -> Template | None:
        """As it was found, or as commands before this one in the batch have left it."""
        newest: Template | None = book.records.get(self._newest_key)
        while (later := book.records.get(self._key_of(1 if newest is None else newest.version + 1))) is not None:
            newest = later
        return newest

    def _key_of(self, version: int) -> RecordKey:
        return RecordKey(self.ledger_id, TEMPLATE, label_of(self.name, version))


def _template_made(template: Template) -> Event:
    told = {"name": template.name, "version": template.version, "actor": template.actor, "hash": template.hash.hex()}
    id_ = event_id_of(microseconds(template.created_at), template.hash)
    return Event(id_, EventType.TEMPLATE_MADE, ResourceType.TEMPLATE, data=told)


def template_facts(template: Template) -> dict[str, Any]:
    """What its key is answered with again. The content stays text: whatever keeps this may put members in its order."""
    return {
        "name": template.name,
        "version": template.version,
        "content": template.content,
        "created_at": template.created_at.isoformat(),
        "actor": template.actor,
        "hash": template.hash.hex(),
    }


def template_of_facts(ledger_id: LedgerId, facts: Mapping[str, Any]) -> Template:
    return Template(
        ledger_id=ledger_id,
        name=facts["name"],
        version=facts["version"],
        content=facts["content"],
        created_at=datetime.fromisoformat(facts["created_at"]),
        actor=facts["actor"],
        hash=bytes.fromhex(facts["hash"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostTemplate(PostEntry):
    """An entry by a template. `pointers` tell, line by line, where in the request its account and amount were said."""

    use: TemplateUse
    pointers: Sequence[tuple[str, str]]

    def point(self, objection: DomainError) -> DomainError:
        """The caller has named parameters and no postings: which posting it is stands beside.

        Where the template itself names the account, what can be mended is the amount.
        """
        named = self.named(objection)
        steps = (named.pointer or "").split("/")
        if steps[1:2] == ["postings"] and len(steps) > 2:
            named.facts = {**named.facts, "posting": f"/postings/{steps[2]}"}
            account, amount = self.pointers[int(steps[2])]
            return named.at(account or (amount if isinstance(objection, OF_BALANCES) else ""))
        return named

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        posted = book.post(self.entry, self, posted_at, ResourceType.JOURNAL_ENTRY, self.use.label)
        book.records[RecordKey(self.ledger_id, TEMPLATE_USE, self.id)] = self.use
        return Posted(self.ledger_id, (posted,), (entry_posted(posted),), self.use)
