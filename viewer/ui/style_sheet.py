"""The style sheet over Qt's Fusion style: sizes, borders, focus and the signs in controls.

Fusion derives its borders from the window's color, darker: none is visible in a dark theme.
Widgets choose a look by a property:

* ``primary``: the one accent button of a page, a QPushButton or a QToolButton.
* ``dim``: secondary text.
* ``segment``: a QToolButton that stands in a row of choices, ``first``, ``middle`` or ``last``.
* ``rail``: a QToolButton that chooses a page.
* ``search``: a QToolButton that looks like a field.
* ``title``: the name over a page or a part of it.
* ``card``: a QFrame round one of several things alike; ``name`` and ``more``: the
  QToolButtons that name it and open its menu.
* ``pill``: a round QToolButton with text; ``state`` is ``recording`` or ``paused``, or is not set.
* ``floating``: stands over the slide. ``popover``: a list that a button opens.
* ``chip``: a small button with a color and a name.
* ``notice``: the ground of a sentence, ``info``, ``warning`` or ``error``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viewer.ui.theme_colors import Theme

FONT_PX = 13
ROW_PX = 28
SIGNS = "signs"
"""Qt's search path of the small pictures in controls, a folder a theme."""


def style_sheet(theme: Theme) -> str:
    """Return the rules of a theme; the heights of rows and buttons come to 28 pixels."""
    rules = (_texts, _buttons, _fields, _checks, _sliders, _views, _tabs, _bars, _notices)
    return "\n".join(rule(theme) for rule in rules)


def _texts(t: Theme) -> str:
    # Text of files, slides and models is never markup, which could name files to load: a label that
    # shows markup of ours says so by its format.
    return f"""
    QLabel[textFormat="AutoText"] {{ qproperty-textFormat: PlainText; }}
    QToolTip {{ color: {t.text}; background: {t.panel}; border: 1px solid {t.border};
        padding: 3px; qproperty-textFormat: PlainText; }}
    QLabel[dim="true"] {{ color: {t.dim_text}; }}
    QLabel[dim="true"]:disabled {{ color: {t.disabled_text}; }}
    QLabel[title="true"] {{ font-weight: 600; }}
    """


def _buttons(t: Theme) -> str:
    return f"""
    QPushButton {{ background: {t.panel}; border: 1px solid {t.border}; border-radius: 4px;
        padding: 3px 12px; min-height: 20px; }}
    QPushButton:hover {{ background: {t.line}; }}
    QPushButton:pressed, QPushButton:checked {{ background: {t.selection};
        border-color: {t.accent}; }}
    QPushButton[card="true"], QPushButton[card="true"]:focus {{ padding: 0; }}
    QPushButton:disabled {{ color: {t.disabled_text}; border-color: {t.line}; }}
    QPushButton:flat {{ background: transparent; border-color: transparent; }}
    QPushButton:focus {{ border: 2px solid {t.accent}; padding: 2px 11px; }}
    QPushButton[primary="true"], QToolButton[primary="true"], QDialogButtonBox QPushButton:default
        {{ background: {t.accent}; color: {t.accent_text}; border-color: {t.accent}; }}
    QPushButton[primary="true"]:hover, QToolButton[primary="true"]:hover,
        QDialogButtonBox QPushButton:default:hover {{ border-color: {t.text}; }}
    QPushButton[primary="true"]:focus, QToolButton[primary="true"]:focus,
        QDialogButtonBox QPushButton:default:focus {{ border-color: {t.text}; }}
    QPushButton[primary="true"]:disabled, QToolButton[primary="true"]:disabled,
        QDialogButtonBox QPushButton:default:disabled
        {{ background: {t.panel}; color: {t.disabled_text}; border-color: {t.line}; }}
    QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
    QDialogButtonBox QPushButton {{ padding: 3px 20px; }}  /* a least width would cut long texts */
    QDialogButtonBox QPushButton:focus {{ padding: 2px 19px; }}

    QToolButton {{ border: 1px solid transparent; border-radius: 4px; padding: 3px; }}
    QToolButton:hover {{ background: {t.line}; }}
    QToolButton:pressed, QToolButton:checked {{ background: {t.selection};
        border-color: {t.accent}; }}
    QToolButton:disabled {{ color: {t.disabled_text}; }}
    QToolButton:checked:disabled {{ background: transparent; border-color: {t.line}; }}
    QToolButton:focus {{ border: 2px solid {t.accent}; padding: 2px; }}
    QToolButton[popupMode="1"] {{ padding-right: 16px; }}
    QToolButton::menu-button {{ border: 0; width: 16px; }}
    QToolButton::menu-arrow, QToolButton::menu-indicator
        {{ image: url("{SIGNS}:down.svg"); width: 10px; height: 10px; }}
    QToolButton[popupMode="0"]::menu-indicator {{ image: none; }}

    QToolButton[segment] {{ background: {t.panel}; border: 1px solid {t.border};
        border-left-width: 0; border-radius: 0; padding: 3px 6px; min-height: 20px; }}
    QToolButton[segment="first"] {{ border-left-width: 1px; border-top-left-radius: 4px;
        border-bottom-left-radius: 4px; }}
    QToolButton[segment="last"] {{ border-top-right-radius: 4px;
        border-bottom-right-radius: 4px; }}
    QToolButton[segment]:hover {{ background: {t.line}; }}
    QToolButton[segment]:checked {{ background: {t.accent}; color: {t.accent_text}; }}
    QToolButton[segment]:disabled {{ color: {t.disabled_text}; background: {t.panel}; }}
    QToolButton[segment]:focus {{ border: 2px solid {t.accent}; padding: 2px 5px; }}
    QToolButton[segment]:checked:focus {{ border-color: {t.text}; }}

    QToolButton[pill="true"] {{ background: {t.panel}; border: 1px solid {t.border};
        border-radius: 14px; padding: 3px 12px; min-height: 20px; }}
    QToolButton[pill="true"]:hover {{ background: {t.line}; }}
    QToolButton[pill="true"][state="recording"] {{ background: {t.recording};
        color: {t.signal_text}; border-color: {t.recording}; }}
    QToolButton[pill="true"][state="paused"] {{ background: {t.paused};
        color: {t.signal_text}; border-color: {t.paused}; }}
    QToolButton[pill="true"]:focus {{ border: 2px solid {t.accent}; padding: 2px 11px; }}
    QToolButton[pill="true"][state]:focus {{ border-color: {t.text}; }}
    QToolButton[rail="true"] {{ padding: 4px 2px; color: {t.dim_text}; }}
    QToolButton[rail="true"]:checked {{ color: {t.text}; }}
    QToolButton[rail="true"]:focus {{ padding: 3px 1px; }}
    QToolButton[search="true"] {{ background: {t.field}; color: {t.dim_text};
        border: 1px solid {t.border}; padding: 3px 10px; min-height: 20px; }}
    QToolButton[search="true"]:hover {{ color: {t.text}; }}
    QToolButton[search="true"]:focus {{ border: 2px solid {t.accent}; padding: 2px 9px; }}
    QToolButton[chip="true"] {{ background: {t.panel}; border: 1px solid {t.border};
        padding: 1px 6px; }}
    QToolButton[chip="true"]::menu-indicator {{ image: none; }}
    QToolButton[chip="true"]:hover {{ background: {t.line}; }}
    QToolButton[chip="true"]:checked {{ background: {t.selection}; border-color: {t.accent}; }}
    QToolButton[chip="true"]:focus {{ border: 2px solid {t.accent}; padding: 0 5px; }}
    """


def _fields(t: Theme) -> str:
    return f"""
    QLineEdit, QAbstractSpinBox, QComboBox {{ background: {t.field}; color: {t.text};
        border: 1px solid {t.border}; border-radius: 4px; padding: 3px 6px; min-height: 20px; }}
    QComboBox {{ background: {t.panel}; padding-right: 2px; }}
    QComboBox:editable {{ background: {t.field}; }}
    QLineEdit:focus, QAbstractSpinBox:focus, QComboBox:focus, QComboBox:editable:focus
        {{ border: 2px solid {t.accent}; padding: 2px 5px; }}
    QComboBox:focus {{ padding-right: 1px; }}
    QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled
        {{ color: {t.disabled_text}; background: {t.window}; border-color: {t.line}; }}
    QLineEdit, QTextEdit, QPlainTextEdit {{ placeholder-text-color: {t.dim_text}; }}
    QLineEdit:read-only {{ background: {t.window}; }}
    QComboBox QLineEdit, QComboBox QLineEdit:focus {{ border: 0; padding: 0; min-height: 0; }}
    QAbstractSpinBox QLineEdit, QAbstractSpinBox QLineEdit:focus {{ border: 0; min-height: 0;
        background: transparent; }}
    QComboBox {{ combobox-popup: 0; }}
    QComboBox::drop-down {{ border: 0; width: 18px; }}
    QComboBox::down-arrow {{ image: url("{SIGNS}:down.svg"); width: 12px; height: 12px; }}
    QComboBox::down-arrow:disabled {{ image: url("{SIGNS}:down-disabled.svg"); }}
    QComboBox QAbstractItemView {{ border: 1px solid {t.border}; background: {t.field};
        padding: 0; }}
    SliderLabel, SliderLabel:focus {{ padding: 0; min-height: 0; }}
    QAbstractSpinBox {{ padding: 3px 20px 3px 1px; min-height: 17px;
        qproperty-alignment: AlignCenter; }}
    QAbstractSpinBox:focus {{ padding: 2px 19px 2px 0; }}
    QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ subcontrol-origin: border;
        width: 18px; border: 0; border-left: 1px solid {t.border}; }}
    QAbstractSpinBox::up-button {{ subcontrol-position: top right; }}
    QAbstractSpinBox::down-button {{ subcontrol-position: bottom right; }}
    QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover
        {{ background: {t.line}; }}
    QAbstractSpinBox::up-arrow {{ image: url("{SIGNS}:up.svg"); width: 10px; height: 10px; }}
    QAbstractSpinBox::down-arrow {{ image: url("{SIGNS}:down.svg"); width: 10px; height: 10px; }}
    QAbstractSpinBox::up-arrow:disabled, QAbstractSpinBox::up-arrow:off
        {{ image: url("{SIGNS}:up-disabled.svg"); }}
    QAbstractSpinBox::down-arrow:disabled, QAbstractSpinBox::down-arrow:off
        {{ image: url("{SIGNS}:down-disabled.svg"); }}
    QTextEdit, QPlainTextEdit {{ background: {t.field}; border: 1px solid {t.border};
        border-radius: 4px; padding: 1px; }}
    QTextEdit[frameShape="0"], QPlainTextEdit[frameShape="0"] {{ border-color: transparent; }}
    QTextEdit:focus, QPlainTextEdit:focus {{ border: 2px solid {t.accent}; padding: 0; }}
    QTextEdit:disabled, QPlainTextEdit:disabled {{ color: {t.disabled_text};
        border-color: {t.line}; }}
    """


def _checks(t: Theme) -> str:
    boxes = ("QCheckBox", "QGroupBox", "QAbstractItemView")

    def each(state: str, widgets: tuple[str, ...] = (*boxes, "QRadioButton")) -> str:
        return ", ".join(f"{widget}::indicator{state}" for widget in widgets)

    return f"""
    QCheckBox, QRadioButton {{ spacing: 6px; min-height: 22px; }}
    QCheckBox:disabled, QRadioButton:disabled {{ color: {t.disabled_text}; }}
    {each("")} {{ width: 14px; height: 14px; background: {t.field};
        border: 1px solid {t.border}; border-radius: 3px; }}
    QRadioButton::indicator {{ border-radius: 8px; }}
    {each(":hover")} {{ border-color: {t.accent}; }}
    {each(":checked", boxes)} {{ background: {t.accent}; border-color: {t.accent};
        image: url("{SIGNS}:check.svg"); }}
    {each(":indeterminate", boxes)} {{ background: {t.accent}; border-color: {t.accent};
        image: url("{SIGNS}:partly.svg"); }}
    QRadioButton::indicator:checked {{ background: {t.accent}; border-color: {t.accent};
        image: url("{SIGNS}:dot.svg"); }}
    {each(":disabled")} {{ background: {t.window}; border-color: {t.disabled_text}; }}
    {each(":checked:disabled")}, {each(":indeterminate:disabled", boxes)}
        {{ background: {t.disabled_text}; }}
    QCheckBox:focus, QRadioButton:focus {{ color: {t.text}; }}
    {each(":focus", ("QCheckBox", "QRadioButton", "QGroupBox"))}
        {{ border: 2px solid {t.accent}; width: 12px; height: 12px; }}
    {each(":checked:focus", ("QCheckBox", "QRadioButton", "QGroupBox"))},
        {each(":indeterminate:focus", ("QCheckBox",))} {{ border-color: {t.text}; }}
    QGroupBox {{ border: 1px solid {t.line}; border-radius: 4px; margin-top: 10px;
        padding-top: 8px; }}
    QGroupBox::title {{ subcontrol-origin: margin; subcontrol-position: top left; left: 8px;
        padding: 0 4px; }}
    """


def _sliders(t: Theme) -> str:
    return f"""
    QSlider:horizontal {{ min-height: 20px; }}
    QSlider::groove:horizontal {{ height: 4px; border-radius: 2px; background: {t.border}; }}
    QSlider::groove:vertical {{ width: 4px; border-radius: 2px; background: {t.border}; }}
    QSlider::sub-page:horizontal, QSlider::add-page:vertical {{ background: {t.accent};
        border-radius: 2px; }}
    QSlider::handle {{ width: 14px; height: 14px; border-radius: 8px; background: {t.panel};
        border: 1px solid {t.text}; }}
    QSlider::handle:horizontal {{ margin: -6px 0; }}
    QSlider::handle:vertical {{ margin: 0 -6px; }}
    QSlider::handle:hover {{ background: {t.accent}; }}
    QSlider::handle:focus {{ border: 2px solid {t.accent}; width: 12px; height: 12px;
        background: {t.text}; }}
    QSlider::handle:disabled, QSlider::groove:disabled, QSlider::sub-page:disabled
        {{ background: {t.line}; border-color: {t.disabled_text}; }}

    QRangeSlider {{ qproperty-barColor: {t.accent}; }}

    QScrollBar {{ background: transparent; border: 0; margin: 0; }}
    QScrollBar:vertical {{ width: 12px; }}
    QScrollBar:horizontal {{ height: 12px; }}
    QScrollBar::handle {{ background: {t.border}; border-radius: 4px; margin: 2px; }}
    QScrollBar::handle:vertical {{ min-height: 28px; }}
    QScrollBar::handle:horizontal {{ min-width: 28px; }}
    QScrollBar::handle:hover, QScrollBar::handle:pressed {{ background: {t.text}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; border: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QAbstractScrollArea::corner {{ background: transparent; border: 0; }}

    QProgressBar {{ border: 1px solid {t.border}; border-radius: 4px; background: {t.field};
        color: {t.text}; text-align: center; min-height: 4px; }}
    QProgressBar::chunk {{ background: {t.selection}; border-radius: 3px; }}
    QProgressBar[textVisible="false"]::chunk {{ background: {t.accent}; }}
    """


def _views(t: Theme) -> str:
    # The font makes views that were filled before they had this style lay out their rows anew.
    return f"""
    QAbstractItemView {{ background: {t.field}; border: 1px solid {t.line}; padding: 1px;
        selection-background-color: {t.selection}; selection-color: {t.text}; outline: 0; }}
    QAbstractItemView[frameShape="0"] {{ border-color: transparent; }}
    QListView#recent {{ background: transparent; }}
    QAbstractItemView:focus {{ border: 2px solid {t.accent}; padding: 0; }}
    QTreeView, QListView {{ font-size: {FONT_PX}px; }}
    QTreeView::item, QListView::item {{ min-height: {ROW_PX}px; padding: 0 3px; }}
    QTreeView::branch {{ background: transparent; }}
    QTreeView::branch:has-children:!has-siblings:closed,
        QTreeView::branch:has-children:has-siblings:closed
        {{ image: url("{SIGNS}:right.svg"); }}
    QTreeView::branch:has-children:!has-siblings:open,
        QTreeView::branch:has-children:has-siblings:open {{ image: url("{SIGNS}:down.svg"); }}
    QHeaderView {{ background: {t.panel}; border: 0; }}
    QHeaderView::section {{ background: {t.panel}; color: {t.dim_text}; border: 0;
        border-right: 1px solid {t.line}; border-bottom: 1px solid {t.line}; padding: 3px 6px;
        min-height: 20px; }}
    QHeaderView::section:hover {{ color: {t.text}; }}
    QHeaderView::down-arrow {{ image: url("{SIGNS}:down.svg"); width: 10px; height: 10px;
        subcontrol-position: center right; }}
    QHeaderView::up-arrow {{ image: url("{SIGNS}:up.svg"); width: 10px; height: 10px;
        subcontrol-position: center right; }}
    """


def _tabs(t: Theme) -> str:
    return f"""
    QTabWidget::pane {{ border: 0; border-top: 1px solid {t.line}; }}
    QTabBar {{ qproperty-drawBase: 0; }}
    QTabBar::tab {{ background: transparent; color: {t.dim_text}; padding: 3px 10px;
        border: 2px solid transparent; min-height: 20px; }}
    QTabBar::tab:hover {{ color: {t.text}; background: {t.panel}; }}
    QTabBar::tab:selected {{ color: {t.text}; border-bottom: 2px solid {t.accent}; }}
    QTabBar::tab:disabled {{ color: {t.disabled_text}; }}
    QTabBar::tab:selected:focus {{ border: 2px solid {t.accent}; border-radius: 4px; }}
    """


def _bars(t: Theme) -> str:
    return f"""
    QMenuBar {{ border-bottom: 1px solid {t.line}; }}
    QMenuBar::item {{ padding: 4px 8px; border-radius: 4px; background: transparent; }}
    QMenuBar::item:selected {{ background: {t.selection}; }}
    QMenu {{ background: {t.panel}; border: 1px solid {t.border}; padding: 3px; }}
    QMenu::item {{ padding: 4px 16px 4px 6px; border-radius: 4px; min-height: 18px; }}
    QMenu::item:selected {{ background: {t.selection}; }}
    QMenu::item:disabled {{ color: {t.disabled_text}; }}
    QMenu::separator {{ height: 1px; background: {t.line}; margin: 3px 6px; }}
    QMenu::icon {{ padding-left: 6px; }}
    QMenu::icon:checked {{ background: {t.selection}; border: 1px solid {t.accent};
        border-radius: 3px; margin-left: 4px; padding: 1px; }}
    QMenu::indicator {{ width: 14px; height: 14px; margin-left: 6px; }}
    QMenu::indicator:checked {{ image: url("{SIGNS}:tick.svg"); }}
    QMenu::right-arrow {{ image: url("{SIGNS}:right.svg"); width: 12px; height: 12px;
        margin-right: 4px; }}
    QFrame#top_bar {{ background: {t.window}; border: 0; border-bottom: 1px solid {t.line}; }}
    QFrame#tool_strip, QFrame#drawer {{ border: 0; border-right: 1px solid {t.line}; }}
    QFrame#rail {{ border: 0; border-left: 1px solid {t.line}; }}
    QDialog#command_search {{ border: 1px solid {t.border}; }}
    #page_header {{ background: {t.panel}; }}
    #group_line {{ background: {t.line}; border: 0; max-height: 1px; }}
    QStatusBar {{ border-top: 1px solid {t.line}; }}
    QStatusBar::item {{ border: 0; }}
    QSplitter::handle {{ background: {t.line}; }}
    QSplitter::handle:hover {{ background: {t.accent}; }}
    """


def _notices(t: Theme) -> str:
    return f"""
    QFrame[notice="mode"] {{ background: {t.panel}; border: 2px solid {t.accent};
        border-radius: 6px; }}
    QFrame[floating="true"] {{ background: {t.panel}; border: 1px solid {t.border};
        border-radius: 4px; }}
    QToolButton[floating="true"] {{ background: {t.panel}; border: 1px solid {t.border};
        padding: 2px 10px; }}
    QToolButton[floating="true"]:hover {{ background: {t.line}; }}
    QToolButton[floating="true"]:focus {{ border: 2px solid {t.accent}; padding: 1px 9px; }}
    QFrame[popover="true"] {{ background: {t.panel}; border: 1px solid {t.border}; }}
    QFrame[notice="info"] {{ background: {t.panel}; border-bottom: 1px solid {t.line}; }}
    QFrame[notice="warning"] {{ background: {t.warning}; border-bottom: 1px solid {t.line}; }}
    QFrame[notice="error"] {{ background: {t.error}; border-bottom: 1px solid {t.line}; }}
    QFrame#tour {{ background: {t.panel}; border: 1px solid {t.accent}; border-radius: 4px; }}
    QFrame[card="true"] {{ background: {t.panel}; border: 1px solid {t.line};
        border-radius: 4px; }}
    QToolButton[more="true"]::menu-indicator {{ image: none; width: 0; }}
    QToolButton[name="true"] {{ font-weight: 600; text-align: left; }}
    QLabel[notice="warning"] {{ background: {t.warning}; color: {t.text}; border-radius: 4px;
        padding: 3px 6px; }}
    QFrame[pane="idle"] {{ border: 2px solid transparent; }}
    QFrame[pane="active"] {{ border: 2px solid {t.accent}; }}
    """
