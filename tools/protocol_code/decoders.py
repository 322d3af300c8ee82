"""Writes `decode`: flat code that reads one class in any version.

Each run of fixed-size fields is one `unpack_from` per version group; what has no fixed size is a call into `wire.reading`.
Only the class of a message checks the version and turns Python's own errors into `ProtocolViolation`; its structs are read
inside that.
"""

from __future__ import annotations

from collections.abc import Mapping

from tools.protocol_code.layouts import Layouts, runs, size_of
from tools.protocol_code.lines import Lines, choose, segments
from tools.protocol_code.structure import StructClass, annotation, default_expression, is_null_by_default, local, size_min
from tools.schema_notation import FIXED_TYPES, Field


def write_decoder(lines: Lines, struct: StructClass, classes: Mapping[str, StructClass], layouts: Layouts) -> None:
    """The classmethod `decode` of one class."""
    lines.add("@classmethod")
    with lines.indented("def decode(cls, data: bytes, position: int, version: int) -> tuple[Self, int]:"):
        writer = _Decoder(lines, struct, classes, layouts)
        if struct.message is None:
            writer.write_body()
            return
        versions = struct.versions
        with lines.indented(f"if version < {versions.low} or version > {versions.high}:"):
            lines.add("raise unknown_version(cls.NAME, version)")
        with lines.indented("try:"):
            writer.write_body()
        with lines.indented("except MALFORMED as error:"):
            lines.add("raise malformed(cls.NAME, version, error) from error")


class _Decoder:
    def __init__(self, lines: Lines, struct: StructClass, classes: Mapping[str, StructClass], layouts: Layouts) -> None:
        self._lines = lines
        self._struct = struct
        self._classes = classes
        self._layouts = layouts

    def write_body(self) -> None:
        for run in runs(self._struct):
            if run[0].type in FIXED_TYPES:
                self._write_run(run)
            else:
                self._write_variable(run[0])
        self._write_tagged_section()
        arguments = ", ".join(local(field) for field in self._struct.fields)
        self._lines.add(f"return cls({arguments}), position")

    def _write_run(self, run: list[Field]) -> None:
        def write(present: tuple[int, ...]) -> None:
            fields = tuple(run[place] for place in present)
            if fields:
                targets = ", ".join(local(field) for field in fields)
                if len(fields) == 1:
                    targets = f"({targets},)"
                self._lines.add(f"{targets} = {self._layouts.name_of(fields)}.unpack_from(data, position)")
                self._lines.add(f"position += {size_of(fields)}")
            for place, field in enumerate(run):
                if place not in present:
                    self._lines.add(f"{local(field)} = {default_expression(self._struct, field)}")

        choose(
            self._lines,
            segments(self._struct.versions, lambda version: tuple(place for place, field in enumerate(run) if version in field.versions)),
            write,
        )

    def _write_variable(self, field: Field) -> None:
        if field.is_array:
            self._write_array(field)
        elif field.is_struct:
            self._write_struct(field)
        else:
            self._write_text_or_bytes(field)

    def _form(self, field: Field, version: int) -> str | None:
        """`""`, `"nullable_"`, `"compact_"` or `"compact_nullable_"`; None where the field is absent."""
        if version not in field.versions:
            return None
        compact = "compact_" if self._struct.is_flexible(version) and not field.is_plain else ""
        return compact + ("nullable_" if version in field.nullable else "")

    def _declare(self, field: Field) -> None:
        """Annotate a local whose branches have different types."""
        self._lines.add(f"{local(field)}: {annotation(self._struct, field)}")

    def _write_text_or_bytes(self, field: Field) -> None:
        kind = "string" if field.type == "string" else "bytes"
        cut = segments(self._struct.versions, lambda version: self._form(field, version))
        if len(cut) > 1 and not field.nullable.is_empty:
            self._declare(field)

        def write(form: str | None) -> None:
            if form is None:
                self._lines.add(f"{local(field)} = {default_expression(self._struct, field)}")
            else:
                self._lines.add(f"{local(field)}, position = read_{form}{kind}(data, position)")

        choose(self._lines, cut, write)

    def _write_struct(self, field: Field) -> None:
        name = self._struct.class_of(field)
        if not field.nullable.is_empty:
            self._declare(field)

        def write(form: str | None) -> None:
            if form is None:
                self._lines.add(f"{local(field)} = {default_expression(self._struct, field)}")
            elif form == "nullable":
                # One byte stands before the struct; with the top bit set, the value is null and nothing follows.
                self._lines.add("position += 1")
                with self._lines.indented("if data[position - 1] > 127:"):
                    self._lines.add(f"{local(field)} = None")
                with self._lines.indented("else:"):
                    self._lines.add(f"{local(field)}, position = {name}.decode(data, position, version)")
            else:
                self._lines.add(f"{local(field)}, position = {name}.decode(data, position, version)")

        def shape(version: int) -> str | None:
            if version not in field.versions:
                return None
            return "nullable" if version in field.nullable else "plain"

        choose(self._lines, segments(self._struct.versions, shape), write)

    def _write_array(self, field: Field) -> None:
        has_null = not field.nullable.is_empty or is_null_by_default(field)

        def write_count(form: str | None) -> None:
            if form is None:
                self._lines.add(f"count = {-1 if is_null_by_default(field) else 0}")
            else:
                size = min(
                    size_min(self._struct, field.element_type, self._classes, version)
                    for version in field.versions
                    if self._form(field, version) == form
                )
                self._lines.add(f"count, position = read_{form}count(data, position, {size})")

        choose(self._lines, segments(self._struct.versions, lambda version: self._form(field, version)), write_count)
        if not has_null:
            self._write_elements(field)
            return
        self._declare(field)
        with self._lines.indented("if count < 0:"):
            self._lines.add(f"{local(field)} = None")
        with self._lines.indented("else:"):
            self._write_elements(field)

    def _write_elements(self, field: Field) -> None:
        name = local(field)
        if field.is_struct:
            self._lines.add(f"{name} = []")
            with self._lines.indented("for _ in range(count):"):
                self._lines.add(f"{name}_element, position = {self._struct.class_of(field)}.decode(data, position, version)")
                self._lines.add(f"{name}.append({name}_element)")
            return

        def write(compact: str) -> None:
            self._lines.add(f"{name}, position = read_{compact}{field.element_type}_elements(data, position, count)")

        cut = segments(
            field.versions,
            lambda version: "compact_" if field.element_type == "string" and self._struct.is_flexible(version) else "",
        )
        choose(self._lines, cut, write)

    def _write_tagged_section(self) -> None:
        def write(shape: tuple[int, ...] | None) -> None:
            if shape is None:
                return
            fields = [self._struct.fields[place] for place in shape]
            if not fields:
                with self._lines.indented("if data[position]:"):
                    self._lines.add("position = skip_tagged_fields(data, position)")
                with self._lines.indented("else:"):
                    self._lines.add("position += 1")
                return
            self._lines.add("count, position = read_unsigned_varint(data, position)")
            with self._lines.indented("for _ in range(count):"):
                self._lines.add("tag, position, end = read_tag(data, position)")
                for place, field in enumerate(fields):
                    with self._lines.indented(f"{'elif' if place else 'if'} tag == {field.tag}:"):
                        self._write_tagged_value(field)
                with self._lines.indented("else:"):
                    self._lines.add("position = end")
                with self._lines.indented("if position != end:"):
                    self._lines.add("raise tag_size_mismatch(cls.__name__, tag)")

        def shape(version: int) -> tuple[int, ...] | None:
            if not self._struct.is_flexible(version):
                return None
            fields = enumerate(self._struct.fields)
            return tuple(place for place, field in fields if field.tag is not None and version in field.versions)

        for field in self._struct.fields:
            if field.tag is not None:
                self._lines.add(f"{local(field)}: {annotation(self._struct, field)} = {default_expression(self._struct, field)}")
        choose(self._lines, segments(self._struct.versions, shape), write)

    def _write_tagged_value(self, field: Field) -> None:
        name = local(field)
        is_nullable = not field.nullable.is_empty
        if field.type in FIXED_TYPES:
            self._lines.add(f"({name},) = {self._layouts.name_of((field,))}.unpack_from(data, position)")
            self._lines.add(f"position += {FIXED_TYPES[field.type]}")
        elif field.is_array:
            form = "compact_nullable_" if is_nullable else "compact_"
            size = size_min(self._struct, field.element_type, self._classes, field.versions.high)
            self._lines.add(f"count_of_tag, position = read_{form}count(data, position, {size})")
            if is_nullable:
                with self._lines.indented("if count_of_tag < 0:"):
                    self._lines.add(f"{name} = None")
                with self._lines.indented("else:"):
                    self._write_tagged_elements(field)
            else:
                self._write_tagged_elements(field)
        elif field.is_struct:
            if is_nullable:
                self._lines.add("marker, position = read_unsigned_varint(data, position)")
                with self._lines.indented("if marker == 0:"):
                    self._lines.add(f"{name} = None")
                with self._lines.indented("else:"):
                    self._lines.add(f"{name}, position = {self._struct.class_of(field)}.decode(data, position, version)")
            else:
                self._lines.add(f"{name}, position = {self._struct.class_of(field)}.decode(data, position, version)")
        else:
            form = "compact_nullable_" if is_nullable else "compact_"
            self._lines.add(f"{name}, position = read_{form}{'string' if field.type == 'string' else 'bytes'}(data, position)")

    def _write_tagged_elements(self, field: Field) -> None:
        name = local(field)
        if field.is_struct:
            self._lines.add(f"{name} = []")
            with self._lines.indented("for _ in range(count_of_tag):"):
                self._lines.add(f"{name}_element, position = {self._struct.class_of(field)}.decode(data, position, version)")
                self._lines.add(f"{name}.append({name}_element)")
        else:
            compact = "compact_" if field.element_type == "string" else ""
            self._lines.add(f"{name}, position = read_{compact}{field.element_type}_elements(data, position, count_of_tag)")
