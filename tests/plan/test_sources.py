"""Sources: every kind of input gives the right files, in a fixed order, as often as asked and in little memory."""

from __future__ import annotations

import io
import json
import os
import socket
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgpipe.errors import BadOption, NothingToDo, UsageError
from imgpipe.plan.sources import Source, SourceOptions, Sources


def tree(root, *names):
    """Make empty files."""
    for name in names:
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass
    return str(root)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work inside a fresh folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def relatives(*inputs, stdin=None, exclude_root=None, **options):
    """Return what is mirrored of each source; it is the same for a second walk."""
    stream = None if stdin is None else io.BytesIO(stdin)
    sources = Sources(inputs, SourceOptions(**options), stdin=stream, exclude_root=exclude_root)
    first = [source.relative for source in sources]

    assert first == [source.relative for source in sources]  # each iteration walks anew
    return first


def test_a_folder_is_walked_in_the_order_of_names(here):
    """Files come before folders, both sorted, and each keeps its path below the folder."""
    tree("in", "b.png", "a.jpg", "sub/z.gif", "sub/deep/y.webp", "a/x.tif")

    assert [
        Source("in/a.jpg", "a.jpg"),
        Source("in/b.png", "b.png"),
        Source("in/a/x.tif", "a/x.tif"),
        Source("in/sub/z.gif", "sub/z.gif"),
        Source("in/sub/deep/y.webp", "sub/deep/y.webp"),
    ] == list(Sources(["in"]))


@pytest.mark.parametrize("spelled", ["in", "in/", "./in", "x/../in"])
def test_the_spelling_of_a_folder_does_not_matter(here, spelled):
    """What is mirrored is the same however the input is written."""
    tree("in", "sub/a.jpg")
    tree("x")

    os.makedirs("x", exist_ok=True)

    assert ["sub/a.jpg"] == relatives(spelled)


def test_the_folder_itself_may_be_the_current_one(here):
    """`.` is a folder like any other."""
    tree(".", "a.jpg", "sub/b.jpg")

    assert ["a.jpg", "sub/b.jpg"] == relatives(".")


def test_folders_give_pictures_only(here):
    """Extensions decide, in any case; other files are counted, dotfiles and AppleDouble files are not even that."""
    tree("in", "a.JPG", "b.txt", "c", "d.jpg.bak", "._a.jpg", ".hidden.jpg", ".imgpipe/x.jpg", ".git/y.jpg")
    sources = Sources(["in"])

    assert 0 == sources.ignored
    assert ["a.JPG"] == [source.relative for source in sources]
    assert 3 == sources.ignored
    assert ["a.JPG"] == [source.relative for source in sources]
    assert 3 == sources.ignored

    without = Sources(["in"], SourceOptions(exclude=("*.txt",)))

    assert 1 == len(list(without))
    assert 2 == without.ignored  # what was left out on purpose is not counted


def test_what_is_named_is_taken(here):
    """A file that is named itself needs no extension, and a hidden one is meant."""
    tree("in", "scan", ".hidden.jpg")

    assert ["scan", ".hidden.jpg"] == relatives("in/scan", "in/.hidden.jpg")


def test_include_and_exclude_choose_by_path_and_by_name(here):
    """Patterns are compared with relative path and name; exclude wins; include lifts the extension rule."""
    tree("in", "a.jpg", "b.png", "c.dat", "raw/a.jpg", "raw/b.png", "sub/raw/d.jpg")

    assert ["a.jpg", "raw/a.jpg", "sub/raw/d.jpg"] == relatives("in", include=("*.jpg",))
    assert ["a.jpg", "b.png"] == relatives("in", exclude=("raw",))
    assert ["a.jpg", "b.png"] == relatives("in", exclude=("raw/",))
    assert ["a.jpg", "b.png", "sub/raw/d.jpg"] == relatives("in", exclude=("raw/*",))
    assert ["c.dat"] == relatives("in", include=("c.*",))
    assert ["a.jpg"] == relatives("in", include=("*.jpg",), exclude=("*/*",))
    assert ["a.jpg"] == relatives("in/a.jpg", "in/b.png", include=("*.jpg",))
    assert ["in/a.jpg"] == relatives("-", stdin=b"in/a.jpg\nin/b.png\n", exclude=("*.png",))


def test_an_excluded_folder_is_not_entered(here, monkeypatch):
    """A folder that is left out is not even listed."""
    tree("in", "a.jpg", "secret/b.jpg")
    listed = []
    real = os.scandir

    def scandir(path):
        listed.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    relatives("in", exclude=("secret",))

    assert ["in/", "in/"] == listed


def test_not_recursive(here):
    """Without recursion, a folder gives only its own files; globs say themselves how deep they go."""
    tree("in", "a.jpg", "sub/b.jpg")

    assert ["a.jpg"] == relatives("in", recursive=False)
    assert ["a.jpg", "sub/b.jpg"] == relatives("in/**/*.jpg", recursive=False)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/*", ["a.jpg", "b.png"]),
        ("in/*.jpg", ["a.jpg"]),
        ("in/*.txt", ["c.txt"]),
        ("in/?.jpg", ["a.jpg"]),
        ("in/[ab].*", ["a.jpg", "b.png"]),
        ("in/**", ["a.jpg", "b.png", "sub/d.jpg", "sub/deep/e.jpg"]),
        ("in/**/*.jpg", ["a.jpg", "sub/d.jpg", "sub/deep/e.jpg"]),
        ("in/**/**/*.jpg", ["a.jpg", "sub/d.jpg", "sub/deep/e.jpg"]),
        ("in/**/deep/*.jpg", ["sub/deep/e.jpg"]),
        ("in/*/*.jpg", ["sub/d.jpg"]),
        ("in/s*/**/e.*", ["sub/deep/e.jpg"]),
        ("*/a.jpg", ["in/a.jpg"]),
        ("**/e.jpg", ["in/sub/deep/e.jpg"]),
        ("./in/./s*/d.jpg", ["sub/d.jpg"]),
        ("in//*.jpg", ["a.jpg"]),
    ],
)
def test_globs(here, pattern, expected):
    """Patterns work without a shell; what is mirrored lies below the part without wildcards, each file once."""
    tree("in", "a.jpg", "b.png", "c.txt", "sub/d.jpg", "sub/deep/e.jpg", ".h/x.jpg", ".i.jpg")

    assert expected == relatives(pattern)


def test_an_absolute_glob(tmp_path):
    """A pattern may begin at the root."""
    tree(tmp_path, "in/a.jpg")

    assert ["a.jpg"] == relatives(f"{tmp_path}/in/*.jpg")


@pytest.mark.parametrize("name", ["a[1].jpg", "*.jpg", "@list", "-x.jpg", "~.jpg", "a b\n.jpg", "%2e%2e.jpg"])
def test_an_existing_name_wins_over_its_meaning(here, name):
    """A file whose name looks like a pattern or a list is a file."""
    tree(".", name, "a1.jpg")

    assert [name] == relatives(name)


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        (["nothing.jpg"], "nothing.jpg does not exist"),
        (["in", "nothing/"], "nothing/ does not exist"),
        (["in/*.gif"], "in/*.gif matches no file"),
        (["nothing/**/*.gif"], "nothing/ is no folder"),
        (["@nothing.txt"], "the list nothing.txt does not exist"),
        (["\x1b]0;x.jpg"], "\\x1b]0;x.jpg does not exist"),
        ([""], "empty"),
        (["a\0b"], "does not exist"),
        ([], "no input"),
    ],
)
def test_inputs_that_are_not_there_are_named(here, inputs, word):
    """An input without any file is an error that names it, harmless for the terminal."""
    tree("in", "a.jpg")

    with pytest.raises(NothingToDo) as caught:
        list(Sources(inputs))

    assert word in str(caught.value)


def test_a_missing_input_is_found_before_the_walk(here):
    """Whatever can be known without walking is known when the sources are made."""
    tree("in", "a.jpg")

    with pytest.raises(NothingToDo):
        Sources(["in", "typo"])


def test_a_glob_cannot_climb(here):
    """`..` after a wildcard is refused: what would be mirrored is unclear."""
    tree("in", "a.jpg")

    with pytest.raises(BadOption, match=r"without \.\."):
        Sources(["*/../in/*.jpg"])


def test_the_output_below_an_input_is_not_an_input(here):
    """Results of an earlier run are left out, through a link as well; an output that is the input itself is walked."""
    tree("in", "a.jpg", "out/a.jpg", "out/deep/b.jpg")
    os.symlink("in/out", "link")

    assert ["a.jpg"] == relatives("in", exclude_root="in/out")
    assert ["a.jpg"] == relatives("in", exclude_root="link")
    assert ["a.jpg"] == relatives("in/**/*.jpg", exclude_root=os.path.abspath("in/out"))
    assert ["a.jpg", "out/a.jpg", "out/deep/b.jpg"] == relatives("in", exclude_root="in")
    assert 3 == len(relatives("in", exclude_root="in/not/yet"))


def test_links(here):
    """Links to files are followed, links to folders only when asked."""
    tree("other", "b.jpg", "sub/c.jpg")
    tree("in", "a.jpg")
    os.symlink("../other/b.jpg", "in/file.jpg")
    os.symlink("../other", "in/folder")

    assert ["a.jpg", "file.jpg"] == relatives("in")
    assert ["a.jpg", "file.jpg", "folder/b.jpg", "folder/sub/c.jpg"] == relatives("in", follow_symlinks=True)
    assert ["b.jpg", "sub/c.jpg"] == relatives("in/folder")


def test_loops_of_links_end(here):
    """A link to a folder above is not followed, even where links are."""
    tree("in", "a.jpg", "sub/b.jpg")
    os.symlink("..", "in/sub/up")
    os.symlink("in", "in/self")
    os.symlink(".", "in/dot")

    assert ["a.jpg", "sub/b.jpg"] == relatives("in", follow_symlinks=True)


def test_what_cannot_be_read_is_given_all_the_same(here):
    """A FIFO, a socket and a broken link with a picture's name become sources: the run says what is wrong with them."""
    os.mkdir("in")
    os.mkfifo("in/fifo.jpg")
    os.symlink("nowhere", "in/broken.jpg")
    os.symlink("loop.jpg", "in/loop.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("in/socket.jpg")

        assert ["broken.jpg", "fifo.jpg", "loop.jpg", "socket.jpg"] == relatives("in")


def test_a_folder_named_like_a_picture_is_a_folder(here):
    """The extension of a folder means nothing."""
    tree("in", "album.jpg/a.png")

    assert ["album.jpg/a.png"] == relatives("in")


def test_a_folder_that_may_not_be_listed_stops_the_run(here, monkeypatch):
    """Pictures are never left out without a word: the error names the folder and how to go on without it."""
    tree("in", "a.jpg", "locked/b.jpg")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    with pytest.raises(UsageError, match=r"locked cannot be listed: Permission denied.*--exclude 'locked'"):
        relatives("in")
    assert ["a.jpg"] == relatives("in", exclude=("locked",))


def test_a_folder_that_vanishes_during_the_walk_is_empty(here):
    """What is gone when its turn comes is no error."""
    tree("in", "a.jpg", "sub/b.jpg")
    walk = iter(Sources(["in"]))
    assert "a.jpg" == next(walk).relative

    os.unlink("in/sub/b.jpg")
    os.rmdir("in/sub")

    assert [] == list(walk)


def test_deep_folders(here):
    """Folders may be nested deeper than Python's calls."""
    depth = 1500
    deep = os.open(".", os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(os.open("a.jpg", os.O_CREAT, dir_fd=deep))
    os.close(deep)

    found = relatives(".")
    os.unlink("d/" * depth + "a.jpg")
    os.removedirs("d/" * depth)  # whoever tidies up after the tests may not be as patient

    assert ["d/" * depth + "a.jpg"] == found


def test_limit_stops_the_walk(here):
    """Only so many sources are given, over all inputs together."""
    tree("in", "a.jpg", "b.jpg")

    assert ["a.jpg", "b.jpg", "a.jpg"] == relatives("in", "in", limit=3)


@pytest.mark.parametrize(
    "options", [{"limit": 0}, {"limit": True}, {"include": ("",)}, {"exclude": ["*.jpg"]}, {"base": ""}]
)
def test_bad_options_are_refused(options):
    """Values that make no sense are refused when the options are made."""
    with pytest.raises(BadOption):
        SourceOptions(**options)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (b"a.jpg\nsub/b.jpg\n", ["a.jpg", "sub/b.jpg"]),
        (b"a.jpg\r\nsub/b.jpg", ["a.jpg", "sub/b.jpg"]),
        (b"\n\na.jpg\n\n", ["a.jpg"]),
        (b"\xef\xbb\xbfa.jpg\n", ["a.jpg"]),
        (b"./a.jpg\nsub/../b.jpg\nsub//c.jpg\n", ["a.jpg", "b.jpg", "sub/c.jpg"]),
        (b"../x/a.jpg\nsub/../../y/b.jpg\n/abs/c.jpg\n", ["a.jpg", "b.jpg", "c.jpg"]),
        (b" a.jpg \n#b.jpg\n-c.jpg\n", [" a.jpg ", "#b.jpg", "-c.jpg"]),
        (b"\xff.jpg\n", ["\udcff.jpg"]),
        (b"..a.jpg\n...\n", ["..a.jpg", "..."]),
        (b"", []),
    ],
)
def test_lists_are_mirrored_as_they_are(here, listed, expected):
    """Names on a list need not exist; relative ones are mirrored, normalised, and none leaves the output."""
    assert expected == relatives("-", stdin=listed)

    (here / "list.txt").write_bytes(listed)

    assert expected == relatives("@list.txt")


def test_lists_separated_by_nul(here):
    """Names may contain line breaks if NUL separates them."""
    assert ["a\n.jpg", "b.jpg"] == relatives("-", stdin=b"a\n.jpg\0b.jpg", null_separated=True)


def test_a_forgotten_null_option_is_named(here):
    """NUL in a list of lines means that the wrong separator was assumed."""
    with pytest.raises(UsageError, match=r"standard input, line 1: a NUL character.*--null"):
        relatives("-", stdin=b"a.jpg\0b.jpg\0")


def test_a_list_longer_than_a_block(here):
    """Names that lie across the border of two blocks stay whole."""
    names = [f"some/folder/{number:07}.jpg" for number in range(10_000)]

    assert names == relatives("-", stdin="\n".join(names).encode())


def test_what_is_no_list_is_not_read_into_memory(here):
    """A file of one endless line, a picture perhaps, is refused after a few megabytes."""
    with pytest.raises(UsageError, match="standard input is no list"):
        relatives("-", stdin=bytes([1]) * 9_000_000)


@pytest.mark.parametrize("entry", ["/", ".", "..", "a/..", "./"])
def test_a_list_names_files(here, entry):
    """An entry that can be no file is an error with its line."""
    with pytest.raises(UsageError, match=r"standard input, line 2: .* is not the name of a file"):
        relatives("-", stdin=f"a.jpg\n{entry}\n".encode())


def test_base_tells_what_is_mirrored(here):
    """Whatever lies inside the base is mirrored below it, be it listed or named."""
    tree("in", "x/a.jpg", "y/a.jpg")
    listed = f"{here}/in/x/a.jpg\n{here}/inside/a.jpg\n/elsewhere/b.jpg\n".encode()

    assert ["in/x/a.jpg", "inside/a.jpg", "b.jpg"] == relatives("-", stdin=listed, base=".")
    assert ["x/a.jpg", "a.jpg", "b.jpg"] == relatives("-", stdin=listed, base="in")
    assert ["x/a.jpg", "y/a.jpg"] == relatives("in/x/a.jpg", "in/y/a.jpg", base="in/")
    assert ["x/a.jpg"] == relatives("in/x", base=str(here / "in"))


def test_manifests(here):
    """JSON lines and CSV name their files as `source`; other keys, and lines about no picture, do not matter."""
    rows = [{"type": "start"}, {"source": "a.jpg", "n": 1}, {"source": "\udcff.jpg"}, {"source": "x/b,c.jpg"}]
    (here / "m.jsonl").write_text("\ufeff" + "\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    (here / "m.CSV").write_bytes(b'\xef\xbb\xbfn,source\r\n1,a.jpg\r\n2,\xff.jpg\r\n3,"x/b,c.jpg"\r\n')

    assert ["a.jpg", "\udcff.jpg", "x/b,c.jpg"] == relatives("@m.jsonl")
    assert ["a.jpg", "\udcff.jpg", "x/b,c.jpg"] == relatives("@m.CSV")


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("m.jsonl", '{"source": "a.jpg"}\n{"source": 5}\n', "m.jsonl, line 2"),
        ("m.jsonl", '{"source": "a.jpg"}\n\n{"target": "b"}\n', "m.jsonl, line 3"),
        ("m.jsonl", '{"source": ""}\n', "m.jsonl, line 1"),
        ("m.jsonl", '{"source": "a\\u0000b"}\n', "m.jsonl, line 1"),
        ("m.jsonl", '["a.jpg"]\n', "m.jsonl, line 1"),
        ("m.jsonl", "a.jpg\n", "m.jsonl, line 1: not JSON"),
        ("m.jsonl", "[" * 100_000, "m.jsonl, line 1: not JSON"),
        ("m.csv", "name\na.jpg\n", "no column 'source'"),
        ("m.csv", "", "no column 'source'"),
        ("m.csv", "n,source\n1,a.jpg\n2\n", "m.csv, line 3"),
        ("m.csv", 'source\n"a.jpg', "m.csv: not CSV"),
        ("m.csv", "source\n" + "x" * 200_000, "m.csv: not CSV"),
    ],
)
def test_bad_manifests_name_the_line(here, name, content, word):
    """A line that cannot be read ends the run before it begins, with its number."""
    (here / name).write_text(content)

    with pytest.raises(UsageError) as caught:
        relatives(f"@{name}")

    assert word in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_pipe_as_list_is_read_once_and_given_twice(here):
    """A list may come from a pipe, as the shell's process substitution makes it."""
    os.mkfifo("names")

    def write():
        with open("names", "wb") as pipe:
            pipe.write(b"a.jpg\nb.jpg\n")

    writer = threading.Thread(target=write)
    writer.start()
    sources = Sources(["@names"])
    writer.join()

    assert ["a.jpg", "b.jpg"] == [source.relative for source in sources]
    assert ["a.jpg", "b.jpg"] == [source.relative for source in sources]


def test_lists_that_are_none(here):
    """A folder is no list, and without standard input there is none either."""
    os.mkdir("folder")

    with pytest.raises(UsageError, match="is a folder"):
        Sources(["@folder"])
    with pytest.raises(UsageError, match="no standard input"):
        Sources(["-"])


def test_the_one_file_is_known(here):
    """A single file that was named can be told from everything else that gives one file."""
    tree("in", "a.jpg")

    assert "in/a.jpg" == Sources(["in/a.jpg"]).only_file()
    assert None is Sources(["in"]).only_file()
    assert None is Sources(["in/*.jpg"]).only_file()
    assert None is Sources(["in/a.jpg", "in/a.jpg"]).only_file()


def test_the_common_folder(here):
    """All inputs lie in it, whatever they are; a list counts as the current folder."""
    tree("in", "a/x.jpg", "b/y.jpg", "b/c/z.jpg")
    os.symlink("in/b", "link")
    root = os.path.realpath(here)

    assert f"{root}/in/a" == Sources(["in/a"]).common_folder()
    assert f"{root}/in/a" == Sources(["in/a/x.jpg"]).common_folder()
    assert f"{root}/in" == Sources(["in/a/x.jpg", "in/b/**/*.jpg"]).common_folder()
    assert f"{root}/in/b" == Sources(["link"]).common_folder()
    assert root == Sources(["in/a", "-"], stdin=io.BytesIO()).common_folder()


file_names = st.lists(
    st.lists(
        st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=8).filter(lambda t: t[0] != "."),
        min_size=1,
        max_size=3,
    ),
    max_size=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(file_names)
def test_every_picture_of_a_folder_is_given_once(tmp_path_factory, paths):
    """For any tree, a walk, a glob over all and a list of all give the same files, each once and each openable."""
    root = str(tmp_path_factory.mktemp("tree"))
    made = set()
    for pieces in paths:
        relative = "/".join(pieces) + ".png"
        try:
            tree(root, relative)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
        except UnicodeEncodeError:
            continue
        made.add(relative)

    walked = list(Sources([root]))
    globbed = list(Sources([root + "/**/*"])) if made else []
    listed = b"\0".join(os.fsencode(source.path) for source in walked)
    again = list(Sources(["-"], SourceOptions(null_separated=True, base=root), stdin=io.BytesIO(listed)))

    assert made == {source.relative for source in walked}
    assert len(made) == len(walked)
    assert walked == globbed == again
    assert all(os.path.isfile(source.path) for source in walked)
