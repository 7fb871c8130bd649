// A plain text editor bound to the shared text, with the others' cursors in it.

import { defaultKeymap } from '@codemirror/commands'
import { EditorState } from '@codemirror/state'
import { drawSelection, EditorView, keymap, placeholder } from '@codemirror/view'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import { UndoManager } from 'yjs'

export function openEditor(parent, { text, awareness }) {
  const state = EditorState.create({
    doc: text.toString(),
    extensions: [
      keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
      drawSelection(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': 'Shared text', spellcheck: 'true', autocapitalize: 'sentences' }),
      placeholder('Write something. Everybody in this room sees it as you type.'),
      // Undo takes back one's own changes only.
      yCollab(text, awareness, { undoManager: new UndoManager(text) }),
    ],
  })
  return new EditorView({ state, parent })
}
