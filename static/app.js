// What HTML alone cannot do: say what happened, open dialogs, keep the focus, show which button works. Every page works without it.
//   data-copy="#id", data-copy-text="…"  a Copy button        data-close  closes the dialog it is in
//   aria-controls + aria-expanded        unfolds an element that is in the page
//   data-enter                           a text field of one line: Enter presses its form's first other button
//   data-zone                            a choice of time zones: begins with the browser's
//   HX-Trigger {"say": …}, {"clip": …}   see core/pages/htmx.py     data-sentence  what an error page says, shown when htmx receives it
(() => {
  const LIFE = 5000, PATIENCE = 300  // ms: long enough to be read; an answer that is quicker needs no sign of waiting
  const live = document.getElementById('live'), dialog = document.getElementById('dialog'), main = document.getElementById('main')
  const on = (name, act) => document.addEventListener(name, act)
  const isLost = () => !document.activeElement || document.activeElement === document.body
  const isShown = element => !element?.disabled && (element?.checkVisibility?.() ?? !!element?.offsetParent)
  const controls = place => [...place?.querySelectorAll('button, a[href], input:not([type=hidden])') ?? []]
  const focus = element => {
    element?.focus({ preventScroll: true })
    element?.scrollIntoView({ block: 'nearest' })  // no further than it takes, and out from under the header
  }
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag)
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
    element.append(...children)
    return element
  }

  // ── what happened ──
  const icon = name => make('span', { class: `i i-${name}`, 'aria-hidden': 'true' })
  const expire = flash => setTimeout(() => flash.matches(':hover') ? expire(flash) : flash.remove(), LIFE)
  const keep = flash => {
    if (flash.dataset.kept !== undefined) return
    flash.dataset.kept = ''
    if (!flash.classList.contains('flash-bad')) return expire(flash)
    const close = make('button', { class: 'flash-close', type: 'button', 'aria-label': live.dataset.close }, icon('x'))
    close.addEventListener('click', () => flash.remove())
    flash.append(close)
  }
  const say = (text, bad = false, unseen = false) => {
    const known = bad && [...live.querySelectorAll('.flash-bad')].find(flash => flash.textContent === text)
    if (known) return known
    const flash = make('div', bad ? { class: 'flash flash-bad', role: 'alert' } : { class: 'flash' }, icon(bad ? 'alert-triangle' : 'check'), make('span', {}, text))
    flash.classList.toggle('visually-hidden', unseen)
    live.append(flash)
    keep(flash)
    return flash
  }
  const fail = text => {
    const body = dialog.open && dialog.querySelector('.ask-body')  // behind an open dialog nobody sees or hears a flash
    if (!body) return say(text, true)
    body.querySelector('.msg-bad')?.remove()
    const message = make('div', { class: 'msg msg-bad', role: 'alert' }, icon('alert-triangle'), make('div', {}, text))
    body.append(message)
    return message
  }
  on('say', ({ detail }) => {
    live.querySelectorAll('.flash:not(.flash-bad)').forEach(flash => flash.remove())  // only the newest matters
    detail.texts.forEach(({ text, bad, unseen }) => say(text, bad, unseen))
  })

  // ── where the focus was, in words that still hold when the elements have been replaced ──
  const remember = element => {
    const menu = element.closest('[popover]'), action = element.getAttribute('formaction')
    const id = element.id || element.closest('li')?.querySelector('input[id]')?.id  // what an offer is about
    const root = (menu ?? element).parentElement?.closest('[id]:not(body)'), cell = element.closest('td')?.cellIndex
    const around = root ? [root.id, root.nextElementSibling?.id, root.previousElementSibling?.id].filter(id => id && id !== 'main') : []
    return () => {
      if (!isLost()) return
      const places = around.map(id => document.getElementById(id)).filter(Boolean)
      const choices = [
        id && document.getElementById(id),
        action && places[0]?.querySelector(`[formaction="${CSS.escape(action)}"]`),
        menu && document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`),
        ...places.flatMap(place => [...controls(place.cells?.[cell]), ...controls(place)]),
        main,
      ]
      focus(choices.find(isShown))
    }
  }

  // ── the one dialog ──
  let giveBack = () => {}
  const open = source => {
    giveBack = remember(source)
    if (source.type === 'checkbox') dialog.addEventListener('close', () => { source.checked = source.defaultChecked }, { once: true })
    dialog.showModal()
  }
  dialog.addEventListener('close', () => {
    dialog.replaceChildren()
    giveBack()
  })
  on('click', event => {
    if (!dialog.open || !event.target.closest('[data-close]')) return
    event.preventDefault()
    dialog.close()
  })

  // ── which button works; sent twice is sent once ──
  const press = element => {
    const timer = setTimeout(() => element.setAttribute('aria-busy', 'true'), PATIENCE)
    return () => {
      clearTimeout(timer)
      element.removeAttribute('aria-busy')
    }
  }
  const sent = new Map()
  on('submit', event => {
    const form = event.target
    if (event.defaultPrevented || form.method === 'dialog') return
    if (sent.has(form)) return event.preventDefault()
    const release = event.submitter ? press(event.submitter) : () => {}
    sent.set(form, release)
    setTimeout(() => { release(); sent.delete(form) }, 10000)  // a download leaves the page where it is
  })
  window.addEventListener('pageshow', () => {  // Back shows the page as it was left, with a button that waits
    sent.forEach(release => release())
    sent.clear()
  })

  // ── htmx ──
  const isPage = text => /^\s*<!doctype/i.test(text ?? '')
  const isPoll = ctx => ctx.sourceEvent?.type === 'every'
  const find = (text, selector) => isPage(text) ? new DOMParser().parseFromString(text, 'text/html').querySelector(selector) : null
  let complaint  // of a poll: shown once, not every five seconds, and gone when the portal answers again
  const complain = (ctx, text) => {
    if (isPoll(ctx) && complaint) return
    const shown = fail(text)
    if (isPoll(ctx)) complaint = shown
  }

  on('htmx:before:request', event => {
    const { ctx } = event.detail
    if (isPoll(ctx) && document.hidden) return event.preventDefault()  // nobody looks
    const button = ctx.request.submitter ?? ctx.sourceElement, menu = button.closest('[popover]')
    if (!isLost()) ctx.giveBack = remember(document.activeElement)
    if (isPoll(ctx)) return
    live.querySelectorAll('.flash-bad').forEach(flash => flash.remove())  // whoever goes on has read it
    menu?.hidePopover()
    ctx.release = press((menu && document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`)) ?? button)
  })
  on('htmx:finally:request', ({ detail: { ctx } }) => {
    const box = ctx.sourceElement
    ctx.release?.()
    if (ctx.request.method === 'POST' && box.type === 'checkbox') box.checked = box.defaultChecked  // still here: nothing was changed
  })
  on('htmx:after:request', event => {
    const { ctx } = event.detail, { raw } = ctx.response
    if (raw.ok) complaint = complaint?.remove()
    if (raw.redirected && raw.ok && !ctx.select && isPage(ctx.text)) {
      event.preventDefault()  // a redirect was followed: its page is a page, never a fragment
      location.href = raw.url
    }
  })
  on('htmx:response:error', ({ detail: { ctx } }) => {
    const status = ctx.response.status
    if (status === 401 || (status < 500 && (!isPage(ctx.text) || (ctx.select && find(ctx.text, ctx.select))))) return
    ctx.swap = 'none'
    complain(ctx, find(ctx.text, '[data-sentence]')?.textContent.trim() || live.dataset.failed)
  })
  on('htmx:error', ({ detail: { ctx } }) => {
    if (ctx) complain(ctx, isPoll(ctx) ? live.dataset.away : live.dataset.offline)
  })
  on('htmx:before:swap', event => {
    const { ctx } = event.detail
    if (isPoll(ctx) && ctx.target.querySelector?.(':popover-open')) event.preventDefault()  // an open menu is never swapped away
    if (ctx.swap === 'beforeend' && ctx.target !== live) ctx.last = ctx.target.lastElementChild
  })
  on('htmx:after:swap', ({ detail: { ctx } }) => {
    if (ctx.swap === 'none') return
    if (typeof ctx.target === 'string') ctx.target = document.querySelector(ctx.target)  // the answer named another one
    if (ctx.target === dialog) return dialog.childElementCount && !dialog.open && open(ctx.sourceElement)
    begin()
    live.querySelectorAll('.flash').forEach(keep)
    const replaced = ctx.target?.id && document.getElementById(ctx.target.id)
    if (replaced && ctx.request.method === 'POST' && ctx.response.raw.ok && replaced.matches('tr, li, [data-fresh]')) replaced.classList.add('fresh')
    if (dialog.open && !isPoll(ctx) && !dialog.contains(ctx.target)) return dialog.close()  // what it asked is answered
    if (ctx.last && isLost()) focus(controls(ctx.last.nextElementSibling).find(isShown))  // the first row of those that came
    const wrong = ctx.response.status === 422 && replaced?.querySelector('[aria-invalid="true"]')
    wrong ? wrong.focus() : ctx.giveBack?.()
  })

  // ── copy, unfold ──
  const selectAndCopy = text => {
    const field = make('textarea', { class: 'visually-hidden', 'aria-hidden': 'true' }, text)
    document.body.append(field)
    field.select()
    document.execCommand('copy')  // where the page is plain HTTP, browsers offer nothing newer
    field.remove()
  }
  const clip = async text => {
    const at = document.activeElement
    await (navigator.clipboard?.writeText(text) ?? Promise.reject()).catch(() => selectAndCopy(text))
    at?.focus({ preventScroll: true })
    say(live.dataset.copied)
  }
  on('clip', ({ detail }) => clip(detail.text))
  on('click', ({ target }) => {
    const button = target.closest('[data-copy], [data-copy-text]')
    if (button) clip(button.dataset.copyText ?? document.querySelector(button.dataset.copy).textContent.trim())
  })
  on('click', event => {
    const button = event.target.closest('button[aria-controls][aria-expanded]')
    const folded = button && document.getElementById(button.getAttribute('aria-controls'))
    if (!folded) return
    event.preventDefault()  // without this script the button opens the page that shows it unfolded
    folded.hidden = !folded.hidden
    button.setAttribute('aria-expanded', String(!folded.hidden))
    button.closest('tr')?.classList.toggle('is-open', !folded.hidden)
  })

  // ── fields ──
  on('keydown', event => {
    // While a character is composed, Enter chooses it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || !event.target.matches('textarea[data-enter]')) return
    event.preventDefault()
    event.target.form.querySelector('button[formaction]').click()
  })
  // UTC is what a form begins with: whoever chose another zone keeps it.
  const begin = () => document.querySelectorAll('select[data-zone]').forEach(select => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
    if (select.value === 'UTC' && [...select.options].some(option => option.value === zone)) select.value = zone
  })

  // ── when the page arrives ──
  begin()
  live.querySelectorAll('.flash').forEach(keep)
  document.querySelector('.side [aria-current]')?.scrollIntoView({ inline: 'center', block: 'nearest' })
  const wrong = document.querySelector('main [aria-invalid="true"], main .msg-bad')
  wrong?.matches('.msg-bad') && wrong.setAttribute('tabindex', '-1')  // a message takes no focus by itself
  wrong?.focus()
})()
