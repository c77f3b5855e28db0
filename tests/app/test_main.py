from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from streamlit.testing.v1 import AppTest

MAIN = Path(__file__).parents[2] / "app" / "main.py"


def test_the_entry_finds_the_rest_when_only_its_own_folder_can_be_imported_from(tmp_path: Path) -> None:
    """So `streamlit run` starts it, from any folder, unlike `python -m streamlit run`."""
    program = (
        "import sys\n"
        "main = sys.argv[1]\n"
        "sys.path.insert(0, main.rsplit('/', 1)[0])\n"
        "opening = open(main).read().split('PAGES =')[0]\n"
        "exec(compile(opening, main, 'exec'), {'__file__': main})\n"
        "import app.widgets\n"
        "print(app.widgets.__file__)\n"
    )
    command = [sys.executable, "-P", "-c", program, str(MAIN)]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()) == MAIN.with_name("widgets.py")


def test_a_string_that_stands_alone_in_a_page_is_a_note_to_its_reader_and_not_shown() -> None:
    page = AppTest.from_string('"""A page."""\nWIDTH_PX = 740\n"""On a wide screen."""\n').run()
    assert not page.exception
    assert [each.value for each in page.markdown] == []
