// OHIF's configuration: images come from Gransk's own DICOMweb proxy, and from nowhere else.
window.config = {
  name: 'gransk',
  routerBasename: '/viewer',
  extensions: __EXTENSIONS__,
  modes: [],
  customizationService: [{ 'ohif.tours': { $set: [] } }, ...__CUSTOMIZATIONS__],
  showStudyList: false,
  showLoadingIndicator: true,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  showErrorDetails: 'production',
  strictZSpacingForVolumeViewport: true,
  maxNumberOfWebWorkers: 3,
  maxNumRequests: { interaction: 50, thumbnail: 5, prefetch: 15 },
  disableConfirmationPrompts: true,
  measurementTrackingMode: 'simplified',
  investigationalUseDialog: { option: 'never' },
  whiteLabeling: {
    createLogoComponentFn: function (React) {
      const line = (key, text, style) => React.createElement('span', { key, style }, text);
      return React.createElement(
        'a',
        { href: '/', style: { color: '#fff', padding: '0 12px', display: 'grid', lineHeight: 1.25 } },
        line('back', '\u2190 Gransk', { fontWeight: 600, fontSize: '17px' }),
        line('research', __RESEARCH__, { color: '#f7cf82', fontSize: '12px', whiteSpace: 'nowrap' })
      );
    },
  },
  defaultDataSourceName: 'gransk',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'gransk',
      configuration: {
        friendlyName: 'Gransk',
        name: 'gransk',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        wadoUriRoot: '/dicom-web',
        qidoSupportsIncludeField: true,
        supportsReject: false,
        dicomUploadEnabled: false,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        singlepart: 'bulkdata,video',
        bulkDataURI: { enabled: true },
        omitQuotationForMultipartRequest: true,
      },
    },
  ],
};
