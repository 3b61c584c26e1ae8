import io

from streamer.cli.progress import counting


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_what_is_said_beside_a_bar_has_lines_of_its_own_and_no_credentials(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with counting("cutting out", 2) as count:
        count()
        count.say("error: [b]1.png of rtsp://me:secret@host: bad")
        count()
    # Each line of a terminal ends where the next begins; a bar is erased before it.
    lines = [line.rpartition("\x1b[2K")[2] for line in terminal.getvalue().splitlines()]
    assert "error: [b]1.png of rtsp://***@host: bad" in lines


def test_without_a_terminal_there_is_no_bar(monkeypatch, capsys):
    with counting("cutting out", 1) as count:
        count()
        count.say("error: a.png: bad")
    assert capsys.readouterr().err == "error: a.png: bad\n"


def test_standard_error_may_be_closed(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    with counting("cutting out", 1) as count:
        count()
        count.say("error: a.png: bad")
