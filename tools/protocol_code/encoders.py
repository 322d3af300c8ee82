"""Writes `encode`: flat code that appends one class to a `bytearray` in any version.

A field that the version lacks must hold its default, unless the schema calls it ignorable; otherwise the peer would silently miss
something that the caller asked for. Tagged fields are written only where they differ from their default.
"""

from __future__ import annotations

from tools.protocol_code.layouts import Layouts, runs
from tools.protocol_code.lines import Lines, choose, segments
from tools.protocol_code.structure import StructClass, attribute, differs_from_default, is_null_by_default
from tools.schema_notation import FIXED_TYPES, Field


def write_encoder(lines: Lines, struct: StructClass, layouts: Layouts) -> None:
    """The method `encode` of one class."""
    with lines.indented("def encode(self, out: bytearray, version: int) -> None:"):
        writer = _Encoder(lines, struct, layouts)
        if struct.message is None:
            writer.write_body()
            return
        versions = struct.versions
        with lines.indented(f"if version < {versions.low} or version > {versions.high}:"):
            lines.add("raise unencodable_version(self.NAME, version)")
        with lines.indented("try:"):
            writer.write_body()
        with lines.indented("except UNENCODABLE as error:"):
            lines.add("raise unencodable(self.NAME, version, error) from error")


class _Encoder:
    def __init__(self, lines: Lines, struct: StructClass, layouts: Layouts) -> None:
        self._lines = lines
        self._struct = struct
        self._layouts = layouts

    def write_body(self) -> None:
        for run in runs(self._struct):
            if run[0].type in FIXED_TYPES:
                self._write_run(run)
            else:
                self._write_variable(run[0])
        self._write_tagged_section()

    def _write_run(self, run: list[Field]) -> None:
        def write(present: tuple[int, ...]) -> None:
            fields = tuple(run[place] for place in present)
            if fields:
                values = ", ".join(f"self.{attribute(field)}" for field in fields)
                self._lines.add(f"out += {self._layouts.name_of(fields)}.pack({values})")
            for place, field in enumerate(run):
                if place not in present:
                    self._refuse_value(field)

        choose(
            self._lines,
            segments(self._struct.versions, lambda version: tuple(place for place, field in enumerate(run) if version in field.versions)),
            write,
        )

    def _refuse_value(self, field: Field) -> None:
        if field.is_ignorable:
            return
        with self._lines.indented(f"if {differs_from_default(self._struct, field)}:"):
            self._lines.add(f'raise unsupported_field("{self._struct.name}", "{attribute(field)}", version)')

    def _form(self, field: Field, version: int) -> str | None:
        if version not in field.versions:
            return None
        compact = "compact_" if self._struct.is_flexible(version) and not field.is_plain else ""
        return compact + ("nullable_" if version in field.nullable else "")

    def _write_variable(self, field: Field) -> None:
        def write(form: str | None) -> None:
            if form is None:
                self._refuse_value(field)
            elif field.is_array:
                self._write_array(field, form, "out")
            elif field.is_struct:
                self._write_struct(field, is_nullable="nullable" in form)
            else:
                kind = "string" if field.type == "string" else "bytes"
                self._lines.add(f"write_{form}{kind}(out, self.{attribute(field)})")

        choose(self._lines, segments(self._struct.versions, lambda version: self._form(field, version)), write)

    def _write_array(self, field: Field, form: str, target: str) -> None:
        value = f"self.{attribute(field)}"
        self._lines.add(f"write_{form}count({target}, {value})")
        element = f"{attribute(field)}_element"
        elements = value if field.nullable.is_empty else f"{value} or ()"
        if field.is_struct:
            with self._lines.indented(f"for {element} in {elements}:"):
                self._lines.add(f"{element}.encode({target}, version)")
        else:
            compact = "compact_" if field.element_type == "string" and "compact_" in form else ""
            self._lines.add(f"write_{compact}{field.element_type}_elements({target}, {elements})")

    def _write_struct(self, field: Field, *, is_nullable: bool) -> None:
        value = f"self.{attribute(field)}"
        if not is_nullable:
            if not field.nullable.is_empty:
                with self._lines.indented(f"if {value} is None:"):
                    self._lines.add(f'raise unsupported_field("{self._struct.name}", "{attribute(field)}", version)')
            self._lines.add(f"{value}.encode(out, version)")
            return
        with self._lines.indented(f"if {value} is None:"):
            self._lines.add("out.append(255)")
        with self._lines.indented("else:"):
            self._lines.add("out.append(1)", f"{value}.encode(out, version)")

    def _write_tagged_section(self) -> None:
        def write(shape: tuple[int, ...] | None) -> None:
            if shape is None:
                self._refuse_tagged(frozenset())
                return
            fields = sorted((self._struct.fields[place] for place in shape), key=lambda field: field.tag or 0)
            self._refuse_tagged(frozenset(shape))
            if not fields:
                self._lines.add("out.append(0)")
                return
            self._lines.add("count = 0", "tagged = bytearray()")
            for field in fields:
                with self._lines.indented(f"if {differs_from_default(self._struct, field)}:"):
                    self._lines.add("count += 1", "value = bytearray()")
                    self._write_tagged_value(field)
                    self._lines.add(f"write_tagged_field(tagged, {field.tag}, value)")
            self._lines.add("out.append(count)", "out += tagged")

        def shape(version: int) -> tuple[int, ...] | None:
            if not self._struct.is_flexible(version):
                return None
            fields = enumerate(self._struct.fields)
            return tuple(place for place, field in fields if field.tag is not None and version in field.versions)

        choose(self._lines, segments(self._struct.versions, shape), write)

    def _refuse_tagged(self, present: frozenset[int]) -> None:
        for place, field in enumerate(self._struct.fields):
            if field.tag is not None and place not in present:
                self._refuse_value(field)

    def _write_tagged_value(self, field: Field) -> None:
        value = f"self.{attribute(field)}"
        # A null default is written by leaving the field out, so a nullable form is needed only for the others.
        form = "compact_" if field.nullable.is_empty or is_null_by_default(field) else "compact_nullable_"
        if field.type in FIXED_TYPES:
            self._lines.add(f"value += {self._layouts.name_of((field,))}.pack({value})")
        elif field.is_array:
            self._write_array(field, form, "value")
        elif field.is_struct and field.nullable.is_empty:
            self._lines.add(f"{value}.encode(value, version)")
        elif field.is_struct:
            # Unlike an untagged struct, this one is marked by a varint: 0 for null, 1 before a value.
            with self._lines.indented(f"if {value} is None:"):
                self._lines.add("value.append(0)")
            with self._lines.indented("else:"):
                self._lines.add("value.append(1)", f"{value}.encode(value, version)")
        else:
            self._lines.add(f"write_{form}{'string' if field.type == 'string' else 'bytes'}(value, {value})")
